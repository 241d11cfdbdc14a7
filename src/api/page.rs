//! The page for people at `/`: one embedded file, and a policy under which nothing else runs, and it talks to nobody else.

use std::sync::LazyLock;

use axum::Router;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::IntoResponse;
use axum::routing::get;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

const PAGE: &str = include_str!("page/index.html");

/// What the page's script and style are known by. Nothing else may run, so a volume's name could not, were it ever taken
/// for HTML; and with trusted types it is not even taken for HTML.
static SOURCES: LazyLock<String> = LazyLock::new(|| {
    let [script, style] = ["script", "style"].map(|element| {
        let hash = Sha256::digest(text_of(element).unwrap_or_default());
        format!("{element}-src 'sha256-{}'", STANDARD.encode(hash))
    });
    format!("default-src 'none'; {script}; {style}; img-src data:")
});

const NOBODY_ELSE: &str = "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
    require-trusted-types-for 'script'; trusted-types 'none'";

/// The page at `/`. It needs no token: it has nothing of its own to tell, and asks for one.
pub(super) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new().route("/", get(page))
}

async fn page(headers: HeaderMap) -> impl IntoResponse {
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8".to_owned()),
        (CONTENT_SECURITY_POLICY, policy(headers.get(HOST))),
        (X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
        (REFERRER_POLICY, "no-referrer".to_owned()),
        // After an upgrade the page is the new one.
        (CACHE_CONTROL, "no-cache".to_owned()),
    ];
    (headers, PAGE)
}

/// Older browsers do not count a WebSocket to the same host as `'self'`, so it is named; `wss:` for who asks through a
/// proxy with TLS. A host that is not plainly one is left out: newer browsers need no more than `'self'`.
fn policy(host: Option<&HeaderValue>) -> String {
    let sockets = host.and_then(|host| host.to_str().ok()).filter(|host| is_plain(host));
    let sockets = sockets.map_or_else(String::new, |host| format!(" ws://{host} wss://{host}"));
    format!("{}; connect-src 'self'{sockets}; {NOBODY_ELSE}", *SOURCES)
}

/// `name`, `name:port`, with nothing that a policy would read otherwise. Addresses of IPv6 cannot be named in one.
fn is_plain(host: &str) -> bool {
    let (name, port) = host.split_once(':').map_or((host, None), |(name, port)| (name, Some(port)));
    let is_name = (1..=253).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte));
    is_name && port.is_none_or(|port| (1..=5).contains(&port.len()) && port.bytes().all(|byte| byte.is_ascii_digit()))
}

/// What stands in the first element of that name, to the byte.
fn text_of(element: &str) -> Option<&'static str> {
    let (_, rest) = PAGE.split_once(&format!("<{element}>"))?;
    rest.split_once(&format!("</{element}>")).map(|(text, _)| text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The page without its script and its style.
    fn markup() -> String {
        let text = |element| text_of(element).unwrap();
        PAGE.replace(text("script"), "").replace(text("style"), "").to_lowercase()
    }

    /// Every attribute's name in the markup. No value has a `>` in it.
    fn attributes() -> Vec<String> {
        let markup = markup();
        let tags = markup.split('<').skip(1).map(|tag| tag.split('>').next().unwrap());
        let words = |tag: &str| {
            let mut names = Vec::new();
            for (place, part) in tag.split('"').enumerate() {
                // Every second part is a value; the first word is the element's name.
                let outside = part.split_whitespace().skip(usize::from(place == 0)).filter(|_| place % 2 == 0);
                names.extend(outside.map(|word| word.trim_end_matches('=').to_owned()));
            }
            names
        };
        tags.flat_map(words).collect()
    }

    #[test]
    fn one_script_and_one_style_and_the_policy_has_their_hashes() {
        let policy = policy(None);
        for element in ["script", "style"] {
            assert_eq!(PAGE.matches(&format!("<{element}")).count(), 1, "{element}");
            let hash = STANDARD.encode(Sha256::digest(text_of(element).unwrap()));
            assert!(policy.contains(&format!("; {element}-src 'sha256-{hash}';")), "{policy}");
        }
        // A browser reads lines that end otherwise as if they ended so, before it hashes them.
        assert!(!PAGE.contains('\r'));
    }

    #[test]
    fn the_policy_allows_nothing_at_large() {
        let policy = policy(Some(&HeaderValue::from_static("localhost:8070")));
        assert!(policy.starts_with("default-src 'none'; "), "{policy}");
        for part in [
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
            "connect-src 'self' ws://localhost:8070 wss://localhost:8070",
        ] {
            assert!(policy.split("; ").any(|directive| directive == part), "{part}: {policy}");
        }
        for wide in ["unsafe", "*", "http:", "https:"] {
            assert!(!policy.contains(wide), "{wide}: {policy}");
        }
    }

    #[test]
    fn only_a_plain_host_gets_into_the_policy() {
        for host in ["localhost", "localhost:8070", "127.0.0.1:8070", "node-1.example.org", "a:65535"] {
            assert!(is_plain(host), "{host}");
        }
        let long = "a".repeat(254);
        for host in [
            "",
            ":80",
            "a:",
            "a:123456",
            "a:80:90",
            "[::1]:8070",
            "a b",
            "a;script-src *",
            "a,b",
            "a'b",
            "*",
            "a/b",
            "a@b",
            &long,
        ] {
            assert!(!is_plain(host), "{host}");
            let policy = policy(HeaderValue::from_str(host).ok().as_ref());
            assert!(policy.contains("; connect-src 'self'; "), "{policy}");
        }
    }

    #[test]
    fn the_page_has_nothing_that_its_policy_forbids() {
        let attributes = attributes();
        assert!(attributes.iter().any(|name| name == "viewbox") && attributes.iter().any(|name| name == "href"));
        for name in attributes {
            assert!(!name.starts_with("on") && name != "style" && name != "src" && name != "action", "{name}");
        }
        let script = text_of("script").unwrap();
        for word in [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "'style'",
            "cssText",
            "localStorage",
            "cookie",
        ] {
            assert!(!script.contains(word), "{word}");
        }
    }

    #[test]
    fn the_page_names_no_address_outside() {
        let page = PAGE.to_lowercase();
        for outside in ["http://", "https://", "ws://", "wss://", "\"//", "'//", "`//"] {
            assert!(!page.contains(outside), "{outside}");
        }
        let style = text_of("style").unwrap();
        assert!(!style.contains("url(") && !style.contains("@import"));
        assert_eq!(page.matches("<link").count(), 1);
        assert!(page.contains("<link rel=\"icon\" href=\"data:image/png;base64,"));
    }

    #[tokio::test]
    async fn it_is_answered_with_its_headers() {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::from_static("localhost:8070"));
        let response = page(headers).await.into_response();
        assert_eq!(response.status(), 200);
        let header = |name| response.headers().get(name).unwrap().to_str().unwrap().to_owned();
        assert_eq!(header(CONTENT_TYPE), "text/html; charset=utf-8");
        assert_eq!(header(X_CONTENT_TYPE_OPTIONS), "nosniff");
        assert_eq!(header(REFERRER_POLICY), "no-referrer");
        assert_eq!(header(CACHE_CONTROL), "no-cache");
        assert!(header(CONTENT_SECURITY_POLICY).contains("ws://localhost:8070 "));
    }
}

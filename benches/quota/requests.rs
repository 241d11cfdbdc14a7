//! Requests a second: `GET /volumes/{id}/quota` of the program beside bare handlers, in turn.

use std::path::Path;
use std::time::Duration;

use crate::Result;
use crate::bare::Floor;
use crate::load::load;
use crate::report::{Verdict, float, middle};
use crate::server::Server;

const ROUNDS: usize = 21;

/// Each has one volume, so one name fits all.
const PATH: &str = "/volumes/default/quota";

const LASTING: Duration = Duration::from_millis(500);

/// Of one server, round by round.
#[derive(Default)]
struct Found {
    /// In a second.
    answers: Vec<f64>,
    /// Microseconds of the server's processor time for each.
    processor: Vec<f64>,
}

pub(crate) fn run(root: &Path) -> Result<Vec<Verdict>> {
    let standalone = Server::standalone(&root.join("standalone"))?;
    let volume = standalone.client().create("asked", 512, "ext4", true)?;
    let pod = Server::pod(&root.join("pod"), &volume.path)?;
    println!("\nGET /volumes/{{id}}/quota, 16 connections, medians of {ROUNDS} × {LASTING:?}, in turn\n");
    println!(
        "|                       | beside           |  bare 1/s | ullage 1/s |     × | bare µs of CPU | ullage µs of CPU |"
    );
    println!(
        "|-----------------------|------------------|----------:|-----------:|------:|---------------:|-----------------:|"
    );
    let mut verdicts = Vec::new();
    for (name, server, threads) in [("standalone, 2 threads", &standalone, 2), ("quota-api, 1 thread", &pod, 0)] {
        let ours = Server::bare(&root.join("bare"), Floor::Ours, threads)?;
        let axum = Server::bare(&root.join("axum"), Floor::Axum, threads)?;
        let [ours, axum, found] = race([&ours, &axum, server])?;
        for (floor, bare) in [("a bare handler", ours), ("axum::serve", axum)] {
            verdicts.push(row(name, floor, &bare, &found));
        }
    }
    Ok(verdicts)
}

fn row(name: &str, floor: &str, bare: &Found, found: &Found) -> Verdict {
    let [below, ours] = [bare, found].map(|found| (middle(&found.answers), middle(&found.processor)));
    let ratios: Vec<_> = bare.answers.iter().zip(&found.answers).map(|(bare, ours)| ours / bare).collect();
    let ratio = middle(&ratios);
    println!(
        "| {name:21} | {floor:16} | {:9.0} | {:10.0} | {ratio:5.2} | {:14.1} | {:16.1} |",
        below.0, ours.0, below.1, ours.1
    );
    Verdict::at_least(format!("requests a second, {name}, beside {floor}"), ratio, 0.8, "× bare")
}

fn race<const SERVERS: usize>(servers: [&Server; SERVERS]) -> Result<[Found; SERVERS]> {
    let mut found = std::array::from_fn(|_| Found::default());
    for round in 0..=ROUNDS {
        for (found, server) in found.iter_mut().zip(servers) {
            let before = server.processor()?;
            let answers = float(load(server.address, PATH, LASTING)?);
            let processor = server.processor()?.saturating_sub(before);
            // The first warms up.
            if round > 0 {
                found.answers.push(answers / LASTING.as_secs_f64());
                found.processor.push(processor.as_secs_f64() * 1e6 / answers);
            }
        }
    }
    Ok(found)
}

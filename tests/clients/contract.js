// Every row of the contract's table of statuses, against a running server, with the exact bodies.
'use strict';

const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { MB, SCRATCH, Server, Socket, ULLAGE, VENDOR, assert, main, mounted, must, request, run, sleep, take, test, until } = require('./bed');

const LARGEST = 1 << 20;
const BEARER = 'Invalid or missing Bearer token. Format: Authorization: Bearer lightd_<token>';
const VENDOR_ERROR = 'Invalid vendor header. Expected: Application/vnd.pkglatv1+json';
const UNKNOWN = `lightd_${'0'.repeat(32)}`;

// An answer that is no success: a stable `code` beside it is allowed.
function refused(answer, status, error) {
  assert.equal(answer.status, status, answer.text);
  assert.match(answer.headers['content-type'], /^application\/json/);
  const { code, ...body } = answer.json;
  if (error instanceof RegExp) assert.match(body.error, error);
  else assert.equal(body.error, error);
  assert.deepEqual(Object.keys(body), ['error']);
  if (code !== undefined) assert.match(code, /^[a-z_]+$/);
  return code;
}

main(async () => {
  const server = await Server.start({ flags: ['--rate-limit', '0'] });
  const ask = (...words) => server.ask(...words);

  // ---- who may ask

  await test('403: an origin that is not allowed, before everything else', async () => {
    const picky = await Server.start({ name: 'picky', flags: ['--allow-origin', 'https://good.example'] });
    const from = (origin, headers = {}) => picky.ask('GET', '/volumes', { headers: { Origin: origin, ...headers } });
    const bad = 'https://bad.example';
    refused(await from(bad), 403, 'Origin not allowed');
    refused(await from('null'), 403, 'Origin not allowed');
    refused(await from('https://good.example.bad.example'), 403, 'Origin not allowed');
    refused(await from(bad, { Accept: null, Authorization: null }), 403, 'Origin not allowed');
    const good = await from('https://good.example');
    assert.equal(good.status, 200);
    assert.equal(good.headers['access-control-allow-origin'], 'https://good.example');
    assert.equal((await from(null)).status, 200, 'a program sends no origin');
    // Its own page, however it was opened; `Host` says nothing.
    for (const host of ['localhost', '127.0.0.1', '[::1]']) {
      const own = `http://${host}:${picky.port}`;
      assert.equal((await from(own)).status, 200, own);
      await (await picky.socket('x', { headers: { Origin: own } })).close();
    }
    refused(await from(`http://localhost:${picky.port + 1}`), 403, 'Origin not allowed');
    refused(await from(`http://rebound.example:${picky.port}`, { Host: `rebound.example:${picky.port}` }), 403, 'Origin not allowed');

    const preflight = (origin) => request('OPTIONS', `${picky.url}/volumes`, {
      Origin: origin, 'Access-Control-Request-Method': 'POST', 'Access-Control-Request-Headers': 'authorization,accept,content-type',
    });
    assert.equal((await preflight(bad)).headers['access-control-allow-origin'], undefined);
    assert.equal((await preflight('https://good.example')).headers['access-control-allow-origin'], 'https://good.example');
    const socket = picky.socket('x', { headers: { Origin: bad } });
    await assert.rejects(socket, (error) => error.status === 403, 'a socket of another origin');
    await (await picky.socket('x', { headers: { Origin: 'https://good.example' } })).close();
    await picky.stop();
  });

  await test('CORS: a preflight needs no header of ours, and browsers may read and send', async () => {
    for (const [method, where] of [['POST', '/volumes'], ['DELETE', '/volumes/x'], ['GET', '/volumes/x/quota'], ['POST', '/auth/tokens']]) {
      const answer = await request('OPTIONS', `${server.url}${where}`, {
        Origin: 'https://any.example',
        'Access-Control-Request-Method': method,
        'Access-Control-Request-Headers': 'authorization,accept,content-type',
      });
      assert.ok([200, 204].includes(answer.status), `${answer.status} ${answer.text}`);
      assert.match(answer.headers['access-control-allow-origin'], /^(\*|https:\/\/any\.example)$/);
      assert.ok(answer.headers['access-control-allow-methods'].includes(method), method);
      for (const name of ['authorization', 'accept', 'content-type']) {
        assert.ok(answer.headers['access-control-allow-headers'].toLowerCase().includes(name), name);
      }
    }
    const answer = await ask('GET', '/volumes', { headers: { Origin: 'https://any.example' } });
    assert.match(answer.headers['access-control-allow-origin'], /^(\*|https:\/\/any\.example)$/);
    // Also what is refused can be read by the page that asked.
    const no = await ask('GET', '/volumes', { token: UNKNOWN, headers: { Origin: 'https://any.example' } });
    assert.equal(no.status, 401);
    assert.match(no.headers['access-control-allow-origin'], /^(\*|https:\/\/any\.example)$/);
  });

  await test('403: no vendor header, before the bearer', async () => {
    for (const accept of [null, '*/*', 'application/json', 'application/vnd.other+json']) {
      refused(await ask('GET', '/volumes', { headers: { Accept: accept } }), 403, VENDOR_ERROR);
      refused(await ask('GET', '/nowhere', { token: null, headers: { Accept: accept } }), 403, VENDOR_ERROR);
    }
    for (const accept of [VENDOR, VENDOR.toLowerCase(), VENDOR.toUpperCase(), `text/html, ${VENDOR};q=0.9, */*`]) {
      assert.equal((await ask('GET', '/volumes', { headers: { Accept: accept } })).status, 200, accept);
    }
  });

  await test('401: no bearer, a malformed one, an unknown one; before the route', async () => {
    const of = (value) => ask('GET', '/volumes', { headers: { Authorization: value } });
    const bad = [null, '', 'Bearer', 'Bearer ', server.token, `Basic ${server.token}`, `Bearer ${UNKNOWN}`, 'Bearer lightd_', 'Bearer x',
      `Bearer ${server.token}0`, `Bearer ${server.token.slice(0, -1)}`, `Bearer ${server.token.toUpperCase()}`, `Bearer\xff ${server.token}`];
    for (const value of bad) {
      const answer = await of(value);
      refused(answer, 401, BEARER);
      assert.equal(answer.headers['www-authenticate'], 'Bearer', String(value));
    }
    refused(await ask('GET', '/nowhere', { token: null }), 401, BEARER);
    refused(await ask('PUT', '/volumes', { token: null }), 401, BEARER);
    assert.equal((await of(`bearer ${server.token}`)).status, 200, 'the scheme in any case');
  });

  await test('public: ping, the document and the page need no header', async () => {
    const ping = await request('GET', `${server.url}/api/v1/public/ping`, {});
    assert.equal(ping.status, 200);
    const { version, ...rest } = ping.json;
    assert.deepEqual(rest, { status: 'ok', message: 'Lightd is running' });
    assert.match(version, /^\d+\.\d+\.\d+/);
    const document = await request('GET', `${server.url}/openapi.json`, {});
    assert.equal(document.status, 200);
    assert.match(document.json.openapi, /^3\.1\./);
    for (const where of ['/volumes', '/volumes/{id}', '/volumes/{id}/quota', '/volumes/{id}/resize', '/auth/tokens', '/api/v1/public/ping']) {
      assert.ok(document.json.paths[where], where);
    }
    const page = await request('GET', `${server.url}/`, {});
    assert.equal(page.status, 200);
    assert.match(page.headers['content-type'], /^text\/html/);
    const policy = page.headers['content-security-policy'];
    assert.ok(policy && !/unsafe-(inline|eval)|\*/.test(policy), `content security policy: ${policy}`);
    assert.doesNotMatch(page.text, /(src|href)="(https?:)?\/\//, 'no outside address');
    refused(await request('GET', `${server.url}/api/v1/public/nothing`, {}), 404, 'Not found');
  });

  // ---- volumes

  let volume;
  await test('201: a volume; its fields flat, and again in data', async () => {
    const began = Math.floor(Date.now() / 1000);
    const answer = await ask('POST', '/volumes', { body: { size: 320, sparse: true } });
    assert.equal(answer.status, 201, answer.text);
    const { success, data, ...flat } = answer.json;
    assert.equal(success, true);
    assert.deepEqual(data, flat);
    volume = flat;
    assert.match(flat.id, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    assert.equal(flat.volume_id, flat.id);
    assert.equal(flat.path, path.join(server.mounts, flat.id));
    assert.equal(flat.quota_mb, 320);
    assert.ok(flat.created_at >= began - 1 && flat.created_at <= began + 30, String(flat.created_at));
    assert.ok(mounted(flat.path));
  });

  await test('200: list, one, quota', async () => {
    const list = await server.get('/volumes');
    assert.ok(Array.isArray(list) && list.length === 1);
    const { success, data, ...flat } = await server.get(`/volumes/${volume.id}`);
    assert.deepEqual([success, data, list[0]], [true, flat, flat]);
    for (const field of ['name', 'claim', 'namespace', 'backend', 'fs']) assert.ok(field in flat, field);
    assert.deepEqual([flat.fs, flat.claim, flat.namespace], ['xfs', null, null]);
    const quota = await server.get(`/volumes/${volume.id}/quota`);
    for (const field of ['size_mb', 'used_mb', 'available_mb', 'percentage_used', 'size_bytes', 'used_bytes', 'available_bytes',
      'inodes_total', 'inodes_used', 'inodes_free', 'state', 'out_of_space', 'resize_pending', 'timestamp']) {
      assert.ok(field in quota, field);
      assert.deepEqual(quota.data[field], quota[field], field);
    }
    assert.equal(quota.size_mb, 320);
    assert.match(quota.timestamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/);
  });

  await test('a socket is for one volume by its id or name, and for all by every other word', async () => {
    const other = await server.create({ size: 64, name: 'other-volume', fs: 'ext4', sparse: true });
    const heard = async (word) => {
      const socket = await server.socket(word);
      await socket.wait('stats', () => socket.of('stats').length > 0);
      await sleep(200);
      socket.ws.terminate();
      return new Set(socket.of('stats').map((frame) => frame.volume_id)).size;
    };
    assert.deepEqual([await heard(other.id), await heard('other-volume'), await heard(volume.id)], [1, 1, 1]);
    for (const word of [volume.id.slice(0, 8), volume.id.slice(0, -1), 'other-vo', 'any']) assert.equal(await heard(word), 2, word);
    assert.equal((await ask('DELETE', '/volumes/other-volume')).status, 204);
    assert.equal(await heard('default'), 1, 'all there are');
  });

  await test('a volume by prefix, name and default', async () => {
    const by = async (word) => (await ask('GET', `/volumes/${word}`));
    assert.equal((await by(volume.id.slice(0, 8))).json.id, volume.id);
    assert.equal((await by('default')).json.id, volume.id);
    refused(await by(volume.id.slice(0, 7)), 404, 'Volume not found');
    const named = await server.create({ size: 64, name: 'prefixed-one', fs: 'ext4', sparse: true });
    assert.equal((await by('prefixed-one')).json.id, named.id);
    assert.equal((await by('prefixed')).json.id, named.id);
    refused(await by('default'), 404, 'Volume not found');
    await server.create({ size: 64, name: 'prefixed-two', fs: 'ext4', sparse: true });
    refused(await by('prefixed'), 404, 'Volume not found');
    refused(await by('prefixed-'), 404, 'Volume not found');
    assert.equal((await by('prefixed-t')).json.name, 'prefixed-two');
    const again = await ask('POST', '/volumes', { body: { size: 64, name: 'prefixed-two', fs: 'ext4', sparse: true } });
    assert.ok([200, 409].includes(again.status), `the same name again: ${again.text}`);
    assert.equal((await server.get('/volumes')).length, 3, 'and no third one');
    for (const name of ['prefixed-one', 'prefixed-two']) assert.equal((await ask('DELETE', `/volumes/${name}`)).status, 204);
  });

  await test('400: no JSON, wrong types, missing fields, sizes out of bounds; nothing is made', async () => {
    const bodies = ['{', 'size=20', '[]', '"x"', '7', '{"size":"20"}', '{"size":-1}', '{"size":1.5}', '{"size":1e30}', '{"size":true}',
      '{"size":19}', '{"size":0}', '{"size":18446744073709551615}', '{"size":18446744073709551616}', '{"size":64,"fs":"ntfs"}',
      '{"size":64,"name":7}', '{"size":64,"pool":"../x"}', '{"size":64,"sparse":"yes"}', '{"size":64}}', '\u0000', '{"size":64,"size":64}',
      Buffer.from([0xff, 0xfe, 0x7b])];
    for (const body of bodies) refused(await ask('POST', '/volumes', { body }), 400, /^Invalid request body: ./s);
    for (const body of [undefined, '{}', 'null', '{"size":null}', '{', '{"size":"1024"}', '{"size":0}', '{"size":19}']) {
      refused(await ask('POST', `/volumes/${volume.id}/resize`, { body }), 400, /^Invalid request body: ./s);
    }
    for (const body of [undefined, '{}', '{', '{"ttl":5}', '{"ttl":"1h","remove_on_use":"yes"}']) {
      refused(await ask('POST', '/auth/tokens', { body }), 400, /^Invalid (request body: .|TTL format$)/s);
    }
    const nul = await ask('POST', '/volumes', { body: { size: 64, name: 'x'.repeat(70_000), sparse: true } });
    assert.ok(nul.status < 500, nul.text);
    for (const { id } of await server.get('/volumes')) {
      if (id !== volume.id) must(await ask('DELETE', `/volumes/${id}`));
    }
    // An xfs has its own least size.
    const small = await ask('POST', '/volumes', { body: { size: 64, fs: 'xfs', sparse: true } });
    refused(small, 400, /300/);
    assert.equal((await server.get('/volumes')).length, 1);
    assert.equal((await server.get(`/volumes/${volume.id}`)).quota_mb, 320);
  });

  await test('a body needs no Content-Type, and an empty one is {}', async () => {
    const untyped = await ask('POST', '/volumes', { body: '{"size":64,"fs":"ext4","sparse":true}', headers: { 'Content-Type': null } });
    assert.equal(untyped.status, 201, untyped.text);
    assert.equal((await ask('DELETE', `/volumes/${untyped.json.id}`)).status, 204);
    for (const body of [undefined, '{}', '']) {
      const made = await ask('POST', '/volumes', { body });
      assert.equal(made.status, 201, made.text);
      assert.equal(made.json.quota_mb, 1024);
      assert.equal((await ask('DELETE', `/volumes/${made.json.id}`)).status, 204);
    }
  });

  await test('404: ids that are no volume, in whatever disguise', async () => {
    const words = ['nothing', '..', '..%2f..%2fetc%2fpasswd', '%2e%2e%2f%2e%2e%2fetc', '%2fetc%2fpasswd', '..%5c..%5cetc', '%00', `${volume.id}%00`,
      `${volume.id}%2f..`, `.%2f${volume.id}`, '%ff%fe', 'a'.repeat(4000), '%', '%zz', '*', '%2e', '~root', '$(id)', "'%20or%20'1'='1",
      volume.id.toUpperCase(), ` ${volume.id}`.replace(' ', '%20'), encodeURIComponent('ｄefault'), 'pool.yaml'];
    for (const word of words) {
      for (const [method, rest, body] of [['GET', ''], ['GET', '/quota'], ['POST', '/resize', { size: 640 }], ['DELETE', '']]) {
        // What has dots for a segment may also be no route at all.
        refused(await ask(method, `/volumes/${word}${rest}`, { body }), 404, /^(Volume not found|Not found)$/);
      }
    }
    assert.equal((await server.get('/volumes')).length, 1);
    assert.ok(fs.existsSync('/etc/passwd'));
  });

  await test('404 and 405: routes and methods', async () => {
    for (const where of ['/nowhere', '/volumes/x/y/z', '/api/v1/volumes', '//volumes', '/volumes/x/quota/', '/favicon.ico']) {
      refused(await ask('GET', where), 404, 'Not found');
    }
    for (const [method, where] of [['PUT', '/volumes'], ['PATCH', `/volumes/${volume.id}`], ['DELETE', '/volumes'],
      ['POST', `/volumes/${volume.id}/quota`], ['GET', `/volumes/${volume.id}/resize`], ['GET', '/auth/tokens'], ['PROPFIND', '/volumes']]) {
      refused(await ask(method, where), 405, 'Method not allowed');
    }
    refused(await request('POST', `${server.url}/api/v1/public/ping`, {}), 405, 'Method not allowed');
    refused(await request('POST', `${server.url}/openapi.json`, {}), 405, 'Method not allowed');
  });

  await test('413: a body over 1 MiB, announced or not; 1 MiB is read', async () => {
    const padded = (length) => `{"size":320}${' '.repeat(length - 12)}`;
    const where = `/volumes/${volume.id}/resize`;
    assert.equal((await ask('POST', where, { body: padded(LARGEST) })).status, 200, 'just 1 MiB');
    // A server may answer and close before it has read all that comes: then the sender sees a reset.
    const large = async (body) => {
      const answer = await ask('POST', where, { body }).catch((error) => error);
      if (answer instanceof Error) assert.match(answer.code, /ECONNRESET|EPIPE/);
      else refused(answer, 413, 'Payload too large');
      return answer instanceof Error;
    };
    assert.equal(await large(padded(LARGEST + 1)), false, 'announced');
    // Node sends chunks when it is not told the length.
    const parts = padded(LARGEST + 1).match(/.{1,65536}/gs);
    const chunked = () => request('POST', `${server.url}${where}`, { Accept: VENDOR, Authorization: `Bearer ${server.token}` }, parts);
    refused(await chunked(), 413, 'Payload too large');
    await large(padded(64 * LARGEST));
    assert.equal((await ask('GET', '/volumes')).status, 200);
  });

  await test('501: what Kubernetes does now', async () => {
    const routes = [['POST', '/containers'], ['GET', '/containers'], ['POST', '/containers/my-server/start'], ['POST', '/containers/my-server/kill'],
      ['DELETE', '/containers/my-server'], ['GET', '/network/ports'], ['POST', '/network/ports'], ['GET', '/firewall/rules'], ['POST', '/firewall/rules'],
      ['POST', '/sftp/credentials'], ['GET', '/remote/health'], ['POST', '/updates/my-server'], ['GET', '/billing/usage/my-server'],
      ['POST', `/volumes/${volume.id}/files`], ['GET', `/volumes/${volume.id}/files?path=x`], ['POST', `/volumes/${volume.id}/folders`],
      ['POST', `/volumes/${volume.id}/copy`]];
    for (const [method, where] of routes) {
      const code = refused(await ask(method, where, { body: method === 'POST' ? {} : undefined }), 501, /^Managed by Kubernetes: use ./);
      assert.equal(code, 'not_supported', where);
    }
    refused(await ask('GET', '/containers', { token: null }), 401, BEARER);
  });

  await test('507: no room, and nothing is left of it', async () => {
    const { bavail, bsize } = fs.statfsSync(server.pool);
    const size = Math.floor((bavail * bsize) / MB) * 2;
    refused(await ask('POST', '/volumes', { body: { size } }), 507, 'Insufficient host disk space');
    const solid = await server.create({ size: 320 });
    refused(await ask('POST', `/volumes/${solid.id}/resize`, { body: { size } }), 507, 'Insufficient host disk space');
    const quota = await server.get(`/volumes/${solid.id}/quota`);
    assert.deepEqual([quota.size_mb, quota.resize_pending], [320, false]);
    assert.equal((await ask('DELETE', `/volumes/${solid.id}`)).status, 204);
    assert.equal((await server.get('/volumes')).length, 1);
  });

  await test('409: an xfs does not shrink', async () => {
    const before = await server.get(`/volumes/${volume.id}/quota`);
    refused(await ask('POST', `/volumes/${volume.id}/resize`, { body: { size: 310 } }), 409, /./);
    const after = await server.get(`/volumes/${volume.id}/quota`);
    assert.deepEqual([after.size_mb, after.used_mb], [before.size_mb, before.used_mb]);
    assert.ok(mounted(volume.path));
  });

  await test('an ext4 image shrinks, but not while a file is open nor below what it holds', async () => {
    const made = await server.create({ size: 256, name: 'small', fs: 'ext4', sparse: true });
    const keep = path.join(made.path, 'keep');
    await take(keep, 100);
    fs.writeFileSync(path.join(made.path, 'note'), 'wine\n');
    const resize = (size) => ask('POST', '/volumes/small/resize', { body: { size } });
    const sum = () => execFileSync('sha256sum', [path.join(made.path, 'note')], { encoding: 'utf8' });
    const before = sum();

    const open = fs.openSync(keep, 'r');
    refused(await resize(192), 409, /./);
    fs.closeSync(open);
    assert.ok(mounted(made.path));
    refused(await resize(64), 409, /./);
    assert.ok(mounted(made.path), 'mounted again');
    assert.equal((await server.get('/volumes/small/quota')).size_mb, 256);

    const answer = await resize(192);
    assert.equal(answer.status, 200, answer.text);
    assert.deepEqual([answer.json.quota_mb, answer.json.previous_mb, answer.json.state], [192, 256, 'completed']);
    assert.ok(mounted(made.path));
    assert.equal((await server.get('/volumes/small/quota')).size_mb, 192);
    assert.deepEqual([sum(), fs.statSync(keep).size], [before, 100 * MB]);
    must(await ask('DELETE', '/volumes/small'));
  });

  await test('409: what is mounted elsewhere, too, is not deleted', async () => {
    const made = await server.create({ size: 64, name: 'held', fs: 'ext4', sparse: true });
    const elsewhere = path.join(server.dir, 'elsewhere');
    fs.mkdirSync(elsewhere);
    await run('mount', ['--bind', made.path, elsewhere]);
    try {
      refused(await ask('DELETE', '/volumes/held'), 409, /./);
      assert.ok(mounted(elsewhere), 'the other mount');
      assert.ok(mounted(made.path), 'and its own');
      assert.equal((await ask('GET', '/volumes/held/quota')).status, 200);
    } finally {
      await run('umount', [elsewhere]);
    }
    // Or while a file in it is open.
    const open = fs.openSync(path.join(made.path, 'open'), 'w');
    const busy = await ask('DELETE', '/volumes/held');
    fs.closeSync(open);
    refused(busy, 409, /./);
    assert.equal((await ask('GET', '/volumes/held/quota')).status, 200);
    const gone = await ask('DELETE', '/volumes/held');
    assert.deepEqual([gone.status, gone.text], [204, '']);
    refused(await ask('DELETE', '/volumes/held'), 404, 'Volume not found');
  });

  // ---- sockets

  await test('401 before the upgrade; three ways to bring a token', async () => {
    // Twenty bad tokens a minute are answered so, and the other server has had some.
    const door = await Server.start({ name: 'door' });
    const to = (query, options) => Socket.open(`${door.url.replace('http', 'ws')}/ws/my-server${query}`, options);
    const bad = [['', {}], ['?token=', {}], [`?token=${UNKNOWN}`, {}], ['?token=%00', {}], ['', { protocols: [`bearer.${UNKNOWN}`] }],
      ['', { headers: { Authorization: `Bearer ${UNKNOWN}` } }]];
    for (const [query, options] of bad) {
      await assert.rejects(to(query, options), (error) => {
        assert.equal(error.status, 401, error.message);
        assert.equal(JSON.parse(error.text).error, BEARER);
        assert.equal(error.headers['www-authenticate'], 'Bearer');
        return true;
      });
    }
    const good = [[`?token=${door.token}`, {}], ['', { headers: { Authorization: `Bearer ${door.token}` } }],
      ['', { protocols: [`bearer.${door.token}`] }]];
    for (const [query, options] of good) {
      const socket = await to(query, options);
      await socket.wait('running', () => socket.of('event').length);
      await socket.close();
    }
    // An empty one hides none.
    await (await to('?token=', { headers: { Authorization: `Bearer ${door.token}` } })).close();
    // Who asks goes before what is asked.
    for (const [method, status] of [['GET', 426], ['POST', 405]]) {
      refused(await request(method, `${door.url}/ws/my-server?token=${UNKNOWN}`, {}), 401, BEARER);
      refused(await request(method, `${door.url}/ws/my-server?token=${door.token}`, {}), status, /./);
    }
    await door.stop();
  });

  // ---- too many

  await test('429: more than the rate, with Retry-After; after it, again', async () => {
    const slow = await Server.start({ name: 'slow', flags: ['--rate-limit', '20'] });
    await sleep(2_500); // the bucket is full again
    const began = Date.now();
    const answers = [];
    for (let round = 0; round < 8; round += 1) {
      answers.push(...(await Promise.all(Array.from({ length: 25 }, () => slow.ask('GET', '/volumes')))));
    }
    const many = answers.filter(({ status }) => status === 429);
    const fine = answers.filter(({ status }) => status === 200);
    assert.equal(many.length + fine.length, answers.length);
    // A burst of twice the rate, and what comes by meanwhile.
    const most = 40 + Math.ceil(((Date.now() - began) / 1000) * 20) + 1;
    assert.ok(fine.length >= 40 && fine.length <= most, `${fine.length} served, at most ${most}`);
    assert.ok(many.length >= 50, `${many.length} refused`);
    for (const answer of many) {
      refused(answer, 429, 'Too many requests');
      assert.match(answer.headers['retry-after'], /^[1-9]\d*$/);
    }
    // Another token has a rate of its own.
    await sleep(1000 * Number(many.at(-1).headers['retry-after']));
    const { token } = must(await slow.ask('POST', '/auth/tokens', { body: { ttl: '5m' } }));
    await Promise.all(Array.from({ length: 60 }, () => slow.ask('GET', '/volumes')));
    assert.equal((await slow.ask('GET', '/volumes', { token })).status, 200);
    // Opening a socket counts, too.
    const sockets = await Promise.allSettled(Array.from({ length: 80 }, () => slow.socket('x', { token })));
    const opened = sockets.filter(({ status }) => status === 'fulfilled');
    const turned = sockets.filter(({ reason }) => reason?.status === 429);
    assert.ok(opened.length >= 20 && turned.length > 0, `${opened.length} opened, ${turned.length} refused`);
    assert.equal(opened.length + turned.length, 80);
    assert.match(turned[0].reason.headers['retry-after'], /^[1-9]\d*$/);
    for (const { value } of opened) value.ws.terminate();
    await slow.stop();
  });

  await test('429: more than 20 failed tokens in a minute; valid ones are never blocked', async () => {
    const guarded = await Server.start({ name: 'guarded' });
    const statuses = [];
    let last;
    for (let at = 0; at < 30; at += 1) {
      last = await guarded.ask('GET', '/volumes', { token: `lightd_${String(at).padStart(32, 'a')}` });
      statuses.push(last.status);
    }
    assert.deepEqual(statuses.slice(0, 20), Array(20).fill(401));
    assert.deepEqual(statuses.slice(20), Array(10).fill(429));
    refused(last, 429, 'Too many requests');
    assert.match(last.headers['retry-after'], /^[1-9]\d*$/);
    assert.ok(Number(last.headers['retry-after']) <= 60);
    await assert.rejects(guarded.socket('x', { token: UNKNOWN }), (error) => error.status === 429, 'and sockets');
    refused(await guarded.ask('GET', '/volumes', { token: null }), 401, BEARER);
    assert.equal((await guarded.ask('GET', '/volumes')).status, 200);
    await (await guarded.socket('x')).close();
    await guarded.stop();
  });

  await test('listening elsewhere, and a port that is taken', async () => {
    assert.equal((await fetch(`http://localhost:${server.port}/api/v1/public/ping`)).status, 200);
    const words = ['standalone', '--pool', 'pool', '--socket', path.join(server.dir, 'clash.sock'), '--state-dir', 'clash'];
    const clash = run(ULLAGE, [...words, '--listen', `127.0.0.1:${server.port}`], { cwd: SCRATCH, timeout: 20_000 });
    await assert.rejects(clash, (error) => error.stderr.includes(`127.0.0.1:${server.port}`));
  });

  await until('the volume is deleted', async () => (await ask('DELETE', `/volumes/${volume.id}`)).status === 204);
});

// Tokens: issued, used up, expired, replaced while somebody listens; and that none is ever in a log.
'use strict';

const { spawn } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { Server, ULLAGE, assert, main, must, run, sleep, test, until } = require('./bed');

const BEARER = 'Invalid or missing Bearer token. Format: Authorization: Bearer lightd_<token>';

// `ullage WORDS`, with something on its standard input: what it printed, and how it ended.
function tell(words, input = '') {
  return new Promise((resolve) => {
    const child = spawn(ULLAGE, words);
    let said = '';
    child.stdout.on('data', (part) => (said += part));
    child.stderr.on('data', (part) => (said += part));
    child.on('close', (status) => resolve({ status, said }));
    child.stdin.on('error', () => {});
    child.stdin.end(input);
  });
}

main(async () => {
  // The most talkative log that there is.
  const server = await Server.start({ flags: ['--log-level', 'trace', '--rate-limit', '0'] });
  const used = new Set([server.token]);
  const issue = async (ttl, once = false) => {
    const answer = await server.ask('POST', '/auth/tokens', { body: { ttl, remove_on_use: once } });
    assert.equal(answer.status, 200, answer.text);
    used.add(answer.json.token);
    return answer.json;
  };
  const status = async (token) => (await server.ask('GET', '/volumes', { token })).status;
  const refused = (token) => assert.rejects(server.socket('x', { token }), (error) => error.status === 401);

  await test('the master token: of the documented form, readable by its owner alone', async () => {
    assert.match(server.token, /^lightd_[0-9a-f]{32}$/);
    for (const file of fs.readdirSync(server.state)) {
      const text = fs.readFileSync(path.join(server.state, file), 'latin1');
      if (text.includes(server.token)) assert.equal(fs.statSync(path.join(server.state, file)).mode & 0o777, 0o600, file);
    }
    const { said } = await tell(['--token', 'what', '--state-dir', server.state]);
    assert.ok(said.includes(server.token), "Lightd's spelling");
  });

  await test('issued: for requests and sockets, until its time', async () => {
    for (const [ttl, seconds] of [['15m', 900], ['1h', 3600], ['30s', 30], ['7d', 604_800], ['900', 900], ['30d', 2_592_000]]) {
      const answer = await issue(ttl);
      assert.match(answer.token, /^lightd_[0-9a-f]{32}$/);
      assert.match(answer.expires_at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
      assert.ok(Math.abs(Date.parse(answer.expires_at) - Date.now() - seconds * 1000) < 3_000, `${ttl}: ${answer.expires_at}`);
      assert.deepEqual([answer.success, answer.data.token], [true, answer.token]);
    }
    const { token } = await issue('1h');
    assert.deepEqual([await status(token), await status(token)], [200, 200]);
    await (await server.socket('x', { token })).close();
  });

  await test('400: a ttl that is none', async () => {
    for (const ttl of ['', 'x', '0', '0s', '-1', '1w', '1.5h', '31d', '2592001', '99999999999999999999', '1h30m', ' 1h', '1 h', '１h']) {
      const answer = await server.ask('POST', '/auth/tokens', { body: { ttl } });
      assert.equal(answer.status, 400, `${ttl}: ${answer.text}`);
      assert.equal(answer.json.error, 'Invalid TTL format');
    }
  });

  await test('an issued token issues none', async () => {
    const { token } = await issue('1h');
    const answer = await server.ask('POST', '/auth/tokens', { token, body: { ttl: '1h' } });
    assert.ok([401, 403].includes(answer.status), answer.text);
    assert.equal(answer.json.token, undefined);
  });

  await test('single use: by a request, by a socket, by one of many at once', async () => {
    const first = await issue('1h', true);
    assert.equal(await status(first.token), 200);
    const again = await server.ask('GET', '/volumes', { token: first.token });
    assert.deepEqual([again.status, again.json.error], [401, BEARER]);

    const second = await issue('3s', true);
    const socket = await server.socket('x', { token: second.token });
    await refused(second.token);
    assert.equal(await status(second.token), 401);
    assert.equal(socket.code, undefined, 'its socket lives on');
    const closed = await socket.end(6_000);
    assert.equal(closed.code, 4401, 'to the ttl');

    // What fails uses nothing up.
    const failing = await issue('1h', true);
    const failed = (method, where, body) => server.ask(method, where, { token: failing.token, body }).then((answer) => answer.status);
    assert.equal(await failed('GET', '/volumes/nothing'), 404);
    assert.equal(await failed('POST', '/volumes', '{'), 400);
    assert.equal(await failed('POST', '/volumes', ' '.repeat((1 << 20) + 1)).catch(() => 413), 413);
    assert.equal(await failed('PUT', '/volumes'), 405);
    assert.equal(await failed('GET', '/ws/x'), 426);
    assert.equal(await failed('GET', '/volumes'), 200);
    assert.equal(await failed('GET', '/volumes'), 401);

    const third = await issue('1h', true);
    // Not more: the twentieth bad token in a minute is the last to be told so.
    const all = await Promise.all(Array.from({ length: 8 }, () => status(third.token)));
    assert.equal(all.filter((one) => one === 200).length, 1, `${all}`);
  });

  await test('expired: 401 with its own words, and its socket closes at that instant with 4401', async () => {
    const { token, expires_at: end } = await issue('3s');
    const socket = await server.socket('x', { token });
    assert.equal(await status(token), 200);
    const closed = await socket.end(6_000);
    assert.equal(closed.code, 4401);
    const late = closed.at - Date.parse(end);
    // The answer says it in whole seconds.
    assert.ok(late > -1_050 && late < 1_500, `${late} ms after ${end}`);
    const answer = await server.ask('GET', '/volumes', { token });
    assert.deepEqual([answer.status, answer.json.error], [401, 'Token expired']);
    await refused(token);
  });

  await test('kept hashed, and good after a restart', async () => {
    const { token } = await issue('1h');
    const once = await issue('1h', true);
    assert.equal(await status(once.token), 200);
    const kept = fs.readFileSync(path.join(server.state, 'tokens.yaml'), 'utf8');
    for (const one of [token, once.token]) assert.ok(!kept.includes(one.slice(7)), 'in tokens.yaml as it is');
    assert.equal(await server.stop(), 0);
    await server.start();
    assert.ok(used.has(server.token), 'the same master token');
    assert.equal(await status(token), 200);
    assert.equal(await status(once.token), 401, 'used is used');
  });

  await test('reset while it runs: the old token is refused within a second, its sockets close with 4401', async () => {
    const old = server.token;
    const { token: issued } = await issue('1h');
    const sockets = await Promise.all([server.socket('a'), server.socket('b')]);
    const other = await server.socket('c', { token: issued });
    const { status: ended, said } = await tell(['token', 'reset', '--state-dir', server.state]);
    const at = Date.now();
    assert.equal(ended, 0, said);
    server.token = /lightd_[0-9a-f]{32}/.exec(said)[0];
    used.add(server.token);
    assert.notEqual(server.token, old);
    for (const socket of sockets) {
      const closed = await socket.end();
      assert.equal(closed.code, 4401);
      assert.ok(closed.at - at < 1_200, `${closed.at - at} ms after the reset`);
    }
    await until('the old one is refused', async () => (await status(old)) === 401, 1_200);
    assert.equal(await status(server.token), 200);
    await refused(old);
    assert.equal(other.code, undefined, 'an issued token is another');
    assert.equal(await status(issued), 200);
    await other.close();
  });

  await test('all issued ones are revoked with their file, and their sockets close with 4401', async () => {
    const tokens = [await issue('1h'), await issue('1h', true)];
    const sockets = await Promise.all(tokens.map(({ token }) => server.socket('x', { token })));
    const master = await server.socket('x');
    fs.rmSync(path.join(server.state, 'tokens.yaml'));
    for (const socket of sockets) assert.equal((await socket.end(2_000)).code, 4401);
    assert.equal(await status(tokens[0].token), 401);
    assert.equal(master.code, undefined, 'the master token is another');
    await master.close();
    assert.equal(await status((await issue('1h')).token), 200, 'and others can be issued');
  });

  await test('set: from standard input, checked', async () => {
    const set = (text) => tell(['token', 'set', '--state-dir', server.state], text);
    for (const [text, error] of [['abc\n', "Error: Token must start with 'lightd_'"], ['\n', "Error: Token must start with 'lightd_'"],
      ['lightd_short\n', 'Error: Token too short (minimum 20 characters)']]) {
      const answer = await set(text);
      assert.notEqual(answer.status, 0);
      assert.ok(answer.said.includes(error), answer.said);
      assert.equal(await status(server.token), 200, 'nothing is changed');
    }
    const mine = `lightd_my-own-token-${process.pid}-abcdef`;
    used.add(mine);
    const answer = await set(`${mine}\n`);
    assert.equal(answer.status, 0, answer.said);
    await until('it is good', async () => (await status(mine)) === 200, 1_200);
    assert.equal(await status(server.token), 401);
    server.token = mine;
  });

  await test('a token file: replaced by rename, as Kubernetes does; read only, it is not reset', async () => {
    const file = path.join(server.dir, 'secret');
    const [one, two] = ['a', 'b'].map((letter) => `lightd_${letter.repeat(32)}`);
    fs.writeFileSync(file, `${one}\n`, { mode: 0o600 });
    const mounted = await Server.start({ name: 'secret', flags: ['--token-file', file], token: one });
    assert.equal(mounted.token, one);
    const socket = await mounted.socket('x');
    fs.writeFileSync(`${file}.new`, two, { mode: 0o600 });
    fs.renameSync(`${file}.new`, file);
    assert.equal((await socket.end(2_000)).code, 4401);
    mounted.token = two;
    await until('the new one is good', async () => (await mounted.ask('GET', '/volumes')).status === 200, 1_200);
    assert.equal((await mounted.ask('GET', '/volumes', { token: one })).status, 401);
    // Root writes everywhere but on a filesystem that is read only.
    await run('mount', ['--bind', file, file]);
    try {
      await run('mount', ['-o', 'remount,bind,ro', file]);
      const answer = await tell(['token', 'reset', '--token-file', file]);
      assert.notEqual(answer.status, 0);
      assert.ok(answer.said.includes(file), answer.said);
    } finally {
      await run('umount', [file]);
    }
    assert.equal(await mounted.ask('GET', '/volumes').then((answer) => answer.status), 200);
    assert.ok(!mounted.logged().match(/lightd_[ab]{32}/), 'in the log');
    await mounted.stop();
  });

  await test('no token is in the log, in the record of tokens, or in the environment', async () => {
    // Also the ways of failing.
    for (const where of [`/ws/x?token=${server.token}x`, `/nowhere?token=${server.token}`, `/volumes/${server.token}`]) {
      await server.ask('GET', where, { token: `${server.token}y` });
    }
    await assert.rejects(server.socket('x', { token: null, protocols: [`bearer.${server.token}x`] }));
    await (await server.socket('x', { token: null, protocols: [`bearer.${server.token}`] })).close();
    await sleep(200);
    const log = server.logged();
    assert.ok(log.length > 0);
    for (const token of used) {
      for (const part of [token, token.slice(7)]) assert.ok(!log.includes(part), `a token is in the log: ${log.split('\n').find((line) => line.includes(part))}`);
      assert.ok(!fs.readFileSync(path.join(server.state, 'tokens.yaml'), 'utf8').includes(token.slice(7)));
    }
  });
});

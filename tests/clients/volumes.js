// Alerts about volumes that are really filled: how many, to whom, and what a restart does to them.
'use strict';

const fs = require('node:fs');
const path = require('node:path');
const { MB, Server, assert, dd, loops, main, mounted, must, run, sleep, take, test, until } = require('./bed');

// Long enough for a second alert to come, were there one: the monitor looks at a full volume more often than that.
const QUIET = 1_500;

// Each is told once, however many there are.
const CLIENTS = 40;

main(async () => {
  const server = await Server.start();
  const volume = await server.create({ size: 512, name: 'db', sparse: true });
  const other = await server.create({ size: 320, name: 'other', sparse: true });
  const ballast = path.join(volume.path, 'ballast');
  let clients = [];

  const counts = () => clients.map((client) => client.alerts().length);
  const connect = async () => {
    const { token } = must(await server.ask('POST', '/auth/tokens', { body: { ttl: '10m' } }));
    return Promise.all([
      server.socket('my-server'),
      server.socket(volume.id, { token }),
      server.socket('any', { token: null, headers: { Authorization: `Bearer ${server.token}` } }),
      ...Array.from({ length: CLIENTS - 3 }, (_, at) => server.socket(at % 2 ? volume.name : `pod-${at}`)),
    ]);
  };
  const alerted = async (times) => {
    assert.equal(clients.length, CLIENTS);
    for (const client of clients) await client.wait(`alert ${times}`, () => client.alerts().length >= times);
    await sleep(QUIET);
    assert.deepEqual(counts(), clients.map(() => times), 'alerts per client');
    for (const client of clients) {
      for (const alert of client.alerts()) {
        assert.deepEqual([alert.args, alert.volume_id], [['System out of storage'], volume.id]);
        assert.ok(Math.abs(Date.parse(alert.ts) - alert.at) < 2_000, `ts ${alert.ts}`);
      }
    }
  };

  await test('a new volume is mounted and empty, and quotas add up', async () => {
    assert.ok(mounted(volume.path), volume.path);
    const quota = await server.get('/volumes/db/quota');
    assert.equal(quota.size_mb, 512);
    assert.equal(quota.size_bytes, 512 * MB);
    assert.equal(quota.used_mb, quota.size_mb - quota.available_mb);
    assert.equal(quota.state, 'ok');
    assert.equal(quota.out_of_space, false);
    assert.equal(quota.resize_pending, false);
    assert.equal(quota.percentage_used, Math.round((quota.used_bytes / quota.size_bytes) * 1e4) / 100);
    await take(path.join(volume.path, 'half'), 256);
    // An answer may be as old as two looks of the monitor are apart.
    await until('256 MB more are used', async () => {
      const half = await server.get('/volumes/db/quota');
      return Math.abs(half.used_mb - quota.used_mb - 256) <= 1;
    }, 250);
    fs.rmSync(path.join(volume.path, 'half'));
  });

  await test('who connects hears that it runs, and how full each volume is', async () => {
    clients = await connect();
    for (const client of clients) {
      await client.wait('stats', () => client.of('stats').length > 0);
      assert.deepEqual(client.frames[0].event, 'event', 'the first frame');
      const [running, ...more] = client.of('event');
      assert.deepEqual([running.data, running.args, more.length], ['running', ['running'], 0]);
      const stats = await client.wait('stats of db', () => client.of('stats').find((one) => one.volume_id === volume.id));
      assert.equal(stats.disk_limit_bytes, 512 * MB);
      const { disk_bytes: used, disk_limit_bytes: limit } = JSON.parse(stats.args[0]);
      assert.deepEqual([used, limit], [stats.disk_bytes, stats.disk_limit_bytes]);
      for (const frame of client.frames) assert.match(frame.ts, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d.*Z$/);
    }
    const [all, one] = clients;
    await all.wait('stats of other', () => all.of('stats').some((frame) => frame.volume_id === other.id));
    assert.ok(one.frames.every((frame) => [undefined, volume.id].includes(frame.volume_id)), 'a socket by id hears of one');
  });

  await test('filled with dd: exactly one alert for each client', async () => {
    const full = await dd(ballast);
    await alerted(1);
    const late = clients.map((client) => client.alerts()[0].at - full);
    console.log(`    the alerts came ${-Math.max(...late)} to ${-Math.min(...late)} ms before the volume's end was reached`);
    assert.ok(Math.max(...late) < 2_000, `${late} ms after the end`);
    for (const client of clients) {
      const [entered, ...more] = client.levels('full');
      assert.equal(more.length, 0, 'storage frames of full');
      assert.equal(entered.data.size_mb, 512);
      assert.equal(entered.data.used_mb, entered.data.size_mb - entered.data.available_mb);
      assert.ok(entered.data.available_mb < 10 || entered.data.percentage_used > 95, JSON.stringify(entered.data));
    }
    const quota = await server.get('/volumes/db/quota');
    assert.deepEqual([quota.state, quota.out_of_space], ['full', true]);
  });

  await test('who connects late hears it at once', async () => {
    const late = await server.socket('late');
    await late.wait('the alert', () => late.alerts().length);
    const [alert] = late.alerts();
    assert.ok(alert.at - late.opened < 300, `${alert.at - late.opened} ms after it was open`);
    await sleep(QUIET);
    assert.equal(late.alerts().length, 1);
    assert.deepEqual(counts(), Array(CLIENTS).fill(1), 'and the others hear nothing again');
    await late.close();
    const elsewhere = await server.socket(other.id);
    await sleep(500);
    assert.equal(elsewhere.alerts().length, 0, "a socket of another volume's");
    await elsewhere.close();
  });

  await test('the last messages can be asked for, in both spellings', async () => {
    const [client] = clients;
    for (const [at, message] of [{ event: 'request_logs' }, { logs: ['50'] }].entries()) {
      client.send(message);
      await client.wait('logs', () => client.of('logs').length > at);
      const logs = client.of('logs')[at];
      assert.ok(logs.data !== undefined && Array.isArray(logs.args), JSON.stringify(logs));
      assert.match(JSON.stringify(logs), /out of storage|full/i);
    }
    const before = client.of('daemon_message').length;
    client.send({ event: 'send_command', args: ['stop'] });
    client.send({ event: 'power', args: ['kill'] });
    await client.wait('two answers', () => client.of('daemon_message').length >= before + 2);
    client.send('no JSON {');
    client.send('[[[');
    client.send({ event: 'request_quota' });
    await sleep(300);
    assert.equal(client.code, undefined, 'it is still there');
    assert.deepEqual(counts(), Array(CLIENTS).fill(1));
  });

  await test('freed: no message but the storage frame', async () => {
    const before = clients.map((client) => client.of('daemon_message').length);
    fs.rmSync(ballast);
    for (const client of clients) {
      const [left] = await client.wait('a level below', () => [client.levels('ok'), client.levels('warning').filter(
        ({ data }) => data.previous === 'full')].find((found) => found.length));
      assert.equal(left.data.previous, 'full');
    }
    await sleep(QUIET);
    assert.deepEqual(clients.map((client) => client.of('daemon_message').length), before);
  });

  await test('filled again: a second one', async () => {
    await dd(ballast);
    await alerted(2);
  });

  await test('SIGTERM: sockets close with 1001, the volume stays mounted', async () => {
    const status = await server.stop();
    assert.equal(status, 0, 'how it ended');
    for (const client of clients) assert.equal((await client.end()).code, 1001);
    assert.ok(mounted(volume.path), 'mounted');
    assert.ok(fs.existsSync(ballast), 'its file');
  });

  await test('started again while full: one alert for each client, still mounted, still measured', async () => {
    await server.start();
    assert.ok(mounted(volume.path), 'mounted');
    clients = await connect();
    await alerted(1);
    assert.equal((await server.get(`/volumes/${volume.id}/quota`)).out_of_space, true);
    assert.equal((await loops(server)).length, 2, 'loop devices: none twice');
  });

  await test('resized over HTTP: `resized` to every client, no alert, and there is room', async () => {
    const answer = must(await server.ask('POST', '/volumes/db/resize', { body: { size: 1024 } }));
    assert.deepEqual([answer.id, answer.quota_mb, answer.previous_mb, answer.state], [volume.id, 1024, 512, 'completed']);
    for (const client of clients) {
      const frames = await client.wait('resized', () => client.levels('resized').length && client.levels('resized'));
      assert.deepEqual(frames.map(({ data, volume_id: id }) => [id, data.previous_mb, data.size_mb]), [[volume.id, 512, 1024]]);
      await client.wait('no longer full', () => client.of('storage').some(({ data }) => data.previous === 'full'));
    }
    const quota = await server.get('/volumes/db/quota');
    assert.deepEqual([quota.size_mb, quota.out_of_space], [1024, false]);
    await take(path.join(volume.path, 'more'), 200);
    assert.deepEqual(counts(), Array(CLIENTS).fill(1));
    const again = must(await server.ask('POST', '/volumes/db/resize', { body: { size: 1024 } }));
    assert.deepEqual([again.quota_mb, again.previous_mb, again.state], [1024, 1024, 'completed'], 'the size that it has');
  });

  await test('the mount is gone after a reboot: it comes back, with what was in it', async () => {
    fs.writeFileSync(path.join(volume.path, 'note'), 'wine\n');
    assert.equal(await server.stop(), 0);
    await run('umount', [volume.path]);
    await run('umount', [other.path]);
    assert.deepEqual(await loops(server), [], 'no loop device holds it');
    await server.start();
    await until('mounted', () => mounted(volume.path) && mounted(other.path));
    assert.equal(fs.readFileSync(path.join(volume.path, 'note'), 'utf8'), 'wine\n');
    const quota = await until('measured', async () => (await server.ask('GET', '/volumes/db/quota')).json);
    assert.equal(quota.size_mb, 1024);
    assert.equal((await server.get('/volumes/db')).path, volume.path);
  });

  await test('killed: started again, it serves what is mounted', async () => {
    await server.stop('SIGKILL');
    assert.ok(mounted(volume.path));
    await server.start();
    assert.equal((await server.get('/volumes/db/quota')).size_mb, 1024);
    assert.equal((await loops(server)).length, 2);
  });

  await test('deleted while sockets are open: 204, and nothing is left of it', async () => {
    const client = await server.socket(volume.id);
    assert.equal((await server.ask('DELETE', '/volumes/db')).status, 204);
    assert.equal((await server.ask('GET', `/volumes/${volume.id}`)).status, 404);
    assert.ok(!mounted(volume.path));
    await until('one loop device', async () => (await loops(server)).length === 1);
    assert.equal(client.alerts().length, 0, 'a volume that is gone is not full');
    await client.wait('it is told', () => client.of('storage').some(({ data }) => data.state === 'gone'));
    assert.deepEqual(client.of('storage').filter(({ data }) => data.state === 'lost'), [], 'a volume that was deleted is not lost');
    client.ws.terminate();
    must(await server.ask('DELETE', '/volumes/other'));
    await until('no loop device', async () => (await loops(server)).length === 0);
    assert.deepEqual(await server.get('/volumes'), []);
  });
});

// The status page in headless Chromium, against `ullage standalone` with real loop volumes: `run` says with what.
'use strict';

const assert = require('node:assert/strict');
const { execFile, spawn } = require('node:child_process');
const fs = require('node:fs');
const net = require('node:net');
const path = require('node:path');
const { promisify } = require('node:util');
const { chromium } = require('playwright-core');

const { SCRATCH, ULLAGE, CHROMIUM, SHOTS } = process.env;
const VENDOR = 'application/vnd.pkglatv1+json';
const MB = 1024 * 1024;
const SIZES = {
  phone: { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true, colorScheme: 'light' },
  desktop: { viewport: { width: 1280, height: 860 }, colorScheme: 'dark', reducedMotion: 'reduce' },
};
// The first thing of a page's life: what its policy stops is counted.
const WATCH = () => {
  window.stopped = [];
  document.addEventListener('securitypolicyviolation', (event) => window.stopped.push(event.violatedDirective));
};

const run = promisify(execFile);
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
let passed = 0;
let failed = 0;

async function test(name, holds) {
  const began = Date.now();
  try {
    await holds();
    passed += 1;
    console.log(`test ${name} ... ok (${((Date.now() - began) / 1000).toFixed(1)} s)`);
  } catch (error) {
    failed += 1;
    console.log(`test ${name} ... FAILED\n${String(error.stack ?? error).replace(/^/gm, '    ')}`);
  }
}

// Until something holds; errors count as "not yet".
async function until(what, holds, ms = 10_000) {
  const end = Date.now() + ms;
  for (;;) {
    const value = await Promise.resolve().then(holds).catch((error) => ({ error }));
    if (value && !value.error) return value;
    if (Date.now() > end) throw new Error(`not so after ${ms} ms: ${what}${value?.error ? `: ${value.error.message}` : ''}`);
    await sleep(25);
  }
}

// ---- the server

const server = { log: path.join(SCRATCH, 'log'), state: path.join(SCRATCH, 'state') };

async function start() {
  const log = fs.openSync(server.log, 'a');
  const words = ['standalone', '--pool', path.join(SCRATCH, 'pool'), '--socket', path.join(SCRATCH, 'csi.sock')];
  words.push('--state-dir', server.state, '--mount-dir', path.join(SCRATCH, 'mnt'), '--listen', `127.0.0.1:${server.port}`);
  // Whom else it lets ask is no matter of its own page.
  words.push('--allow-origin', 'https://elsewhere.example');
  server.process = spawn(ULLAGE, words, { stdio: ['ignore', log, log], cwd: SCRATCH });
  fs.closeSync(log);
  fs.writeFileSync(path.join(SCRATCH, 'pid'), `${server.process.pid}\n`);
  server.ended = new Promise((resolve) => server.process.once('exit', resolve).once('error', resolve));
  await until('the server answers', async () => (await fetch(`${server.url}/api/v1/public/ping`)).ok, 15_000);
  server.token = /lightd_\S+/.exec((await run(ULLAGE, ['token', 'what', '--state-dir', server.state])).stdout)[0];
  await until('it serves its pool', async () => (await ask('GET', '/volumes')).ok);
}

async function stop() {
  server.process.kill('SIGTERM');
  await Promise.race([server.ended, sleep(15_000)]);
}

function ask(method, where, body) {
  const headers = { Accept: VENDOR, Authorization: `Bearer ${server.token}`, 'Content-Type': 'application/json' };
  return fetch(server.url + where, { method, headers, body: body && JSON.stringify(body) });
}

function freePort() {
  return new Promise((resolve, reject) => {
    const probe = net.createServer().once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}

const isMounted = (place) => fs.readFileSync('/proc/self/mounts', 'utf8').split('\n').some((line) => line.split(' ')[1] === place);

// Writes until so much of the volume is used.
async function fill(id, percent) {
  const quota = await (await ask('GET', `/volumes/${id}/quota`)).json();
  const { path: place } = await (await ask('GET', `/volumes/${id}`)).json();
  const count = Math.ceil((quota.size_mb * percent) / 100 - quota.used_mb);
  const words = ['if=/dev/zero', `of=${place}/ballast`, 'bs=1M', `count=${count}`, 'oflag=append', 'conv=notrunc,fsync', 'status=none'];
  await run('dd', words);
}

// ---- the page

class Visitor {
  constructor(browser, name) {
    Object.assign(this, { browser, name, complaints: [], addresses: [], expected: [] });
  }

  async open() {
    this.context = await this.browser.newContext(SIZES[this.name]);
    await this.context.addInitScript(WATCH);
    this.page = await this.context.newPage();
    this.page.setDefaultTimeout(10_000);
    this.page.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) this.complain(message.text());
    });
    this.page.on('pageerror', (error) => this.complain(error.message));
    this.page.on('request', (request) => this.addresses.push(request.url()));
    this.page.on('websocket', (socket) => this.addresses.push(socket.url()));
    await this.page.goto(server.url);
  }

  // What a test asks for, and a browser then complains of, is expected while it does.
  complain(text) {
    if (!this.expected.some((pattern) => pattern.test(text))) this.complaints.push(text);
  }

  // A card by the volume's name.
  card(name) {
    const heading = this.page.getByRole('heading', { level: 3, name, exact: true });
    return this.page.locator('.volume').filter({ has: heading });
  }

  async percent(name) {
    return Number(await this.card(name).getByRole('meter').getAttribute('aria-valuenow'));
  }

  // How much of the bar is coloured, as it is drawn.
  drawn(name) {
    return this.card(name).locator('.bar').evaluate((bar) => (100 * bar.firstElementChild.offsetWidth) / bar.offsetWidth);
  }

  level(name) {
    return this.card(name).locator('.level').textContent();
  }

  lines() {
    return this.page.locator('#log li').allTextContents();
  }

  async live() {
    await until('it is live', async () => (await this.page.locator('#state-text').textContent()) === 'Live');
  }

  focused() {
    return this.page.evaluate(() => {
      const at = document.activeElement;
      return at.getAttribute('aria-label') ?? (at.labels?.[0]?.firstChild ?? at).textContent.trim();
    });
  }

  // With the Tab key alone.
  async tabTo(label, most = 80) {
    for (let step = 0; step < most; step++) {
      if ((await this.focused()) === label) return;
      await this.page.keyboard.press('Tab');
    }
    throw new Error(`the Tab key does not come to: ${label}`);
  }

  async fits(what) {
    const [wide, room] = await this.page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
    assert.ok(wide <= room, `${what}: ${wide} px wide, of ${room}`);
  }

  // Kept to be looked at.
  async shot(what) {
    await sleep(500);
    await this.page.screenshot({ path: path.join(SHOTS, `${this.name}-${what}.png`), fullPage: what !== 'delete' });
    await this.fits(what);
  }
}

const stored = () => [Object.values(sessionStorage), Object.values(localStorage), document.cookie];

async function visit(browser, name) {
  const visitor = new Visitor(browser, name);
  const volume = `${name}-db`;
  const of = (what) => `${name}: ${what}`;
  await visitor.open();
  const { page } = visitor;

  await test(of('a wrong token is refused, in the words of the server, and not kept'), async () => {
    visitor.expected = [/401/];
    await page.getByLabel('Token').fill('lightd_00000000000000000000000000000000');
    await page.keyboard.press('Enter');
    await page.getByRole('alert').filter({ hasText: 'Invalid or missing Bearer token' }).waitFor();
    assert.deepEqual(await page.evaluate(stored), [[], [], '']);
    await visitor.shot('login');
    visitor.expected = [];
  });

  await test(of('the right one opens it, and is kept in the session only'), async () => {
    await page.getByLabel('Token').fill(server.token);
    await page.getByRole('button', { name: 'Show the volumes' }).click();
    await visitor.live();
    assert.deepEqual(await page.evaluate(stored), [[server.token], [], '']);
  });

  await test(of('a refused wish is answered in the words of the server'), async () => {
    visitor.expected = [/400/];
    await page.locator('#create').getByLabel('Size').fill('1');
    await page.locator('#create').getByLabel('Unit').selectOption('MB');
    await page.getByRole('button', { name: 'Create volume' }).click();
    await page.getByRole('alert').filter({ hasText: 'at least 20 MB' }).waitFor();
    visitor.expected = [];
  });

  await test(of('a volume is created, and it is mounted'), async () => {
    await page.locator('#create').getByLabel('Name').fill(volume);
    await page.locator('#create').getByLabel('Size').fill('0.3125');
    await page.locator('#create').getByLabel('Unit').selectOption('GB');
    await page.locator('#create').getByLabel('Filesystem').selectOption('xfs');
    await page.getByRole('button', { name: 'Create volume' }).click();
    await visitor.card(volume).waitFor();
    await until('it is OK', async () => (await visitor.level(volume)) === 'OK');
    assert.match(await visitor.card(volume).locator('.amount').textContent(), /of 320 MB used/);
    const place = await visitor.card(volume).locator('.path').textContent();
    assert.ok(isMounted(place), place);
  });

  await test(of('what is written moves the bar, without being asked'), async () => {
    const before = await visitor.percent(volume);
    await fill(volume, 60);
    const after = await until('the bar has moved', async () => (await visitor.percent(volume)) > 55 && visitor.percent(volume), 5_000);
    assert.ok(before < 50, `${before}, then ${after}`);
    await until('it is drawn so', async () => Math.abs((await visitor.drawn(volume)) - (await visitor.percent(volume))) < 1.5);
    await fill(volume, 85);
    await until('there is a warning', async () => (await visitor.level(volume)) === 'Warning', 5_000);
    assert.ok((await visitor.lines()).some((line) => line.includes('Warning') && line.includes(volume)));
    await visitor.shot('warning');
  });

  await test(of('a full volume is told of once, aloud, in words'), async () => {
    await fill(volume, 98);
    await until('it is full', async () => (await visitor.level(volume)) === 'Full', 5_000);
    await page.getByRole('alert').filter({ hasText: `${volume} is out of storage` }).waitFor();
    const told = async () => (await visitor.lines()).filter((line) => line.includes(`${volume}: System out of storage`)).length;
    await until('it is in the log', told);
    await sleep(1_500);
    assert.equal(await told(), 1);
    assert.match(await page.title(), /^1 full/);
    await visitor.shot('full');
  });

  await test(of('a reload asks for no token, and has the alert once still'), async () => {
    await page.reload();
    await visitor.live();
    await until('it is full', async () => (await visitor.level(volume)) === 'Full');
    await until('the alert is there', async () => (await visitor.lines()).some((line) => line.includes('System out of storage')));
    await sleep(500);
    const told = (await visitor.lines()).filter((line) => line.includes(`${volume}: System out of storage`));
    assert.equal(told.length, 1, told.join('\n'));
  });

  await test(of('it is grown, and the level falls'), async () => {
    await page.getByRole('button', { name: `Grow ${volume} now` }).click();
    assert.equal(await visitor.focused(), 'New size');
    await page.keyboard.type('10');
    await visitor.card(volume).getByRole('button', { name: 'Grow', exact: true }).click();
    await visitor.card(volume).getByRole('alert').filter({ hasText: 'it only grows' }).waitFor();
    await visitor.card(volume).getByLabel('New size').fill('640');
    await visitor.shot('grow');
    await page.keyboard.press('Enter');
    await until('it is OK', async () => (await visitor.level(volume)) === 'OK');
    assert.match(await visitor.card(volume).locator('.amount').textContent(), /of 640 MB used/);
    await until('the bar has moved', async () => (await visitor.drawn(volume)) < 70);
    assert.equal(await page.locator('#now').textContent(), '');
    await until('it is in the log', async () => (await visitor.lines()).some((line) => line.includes('resized from 320 MB to 640 MB')));
    await visitor.shot('grown');
  });

  await test(of('it says when it is not connected, and comes back'), async () => {
    visitor.expected = [/ERR_CONNECTION_REFUSED|WebSocket|Failed to load resource/];
    await stop();
    await until('it says so', async () => (await page.locator('#state').textContent()).startsWith('Not connected'));
    await visitor.shot('away');
    await start();
    await until('it is live', async () => (await page.locator('#state-text').textContent()) === 'Live', 40_000);
    visitor.expected = [];
    await until('the volume is there', async () => (await visitor.level(volume)) === 'OK');
  });

  await test(of('it is deleted with the keyboard alone, after a question that names it'), async () => {
    const place = await visitor.card(volume).locator('.path').textContent();
    await page.locator('#title').focus();
    await visitor.tabTo(`Delete ${volume}`);
    await page.keyboard.press('Enter');
    await page.getByRole('dialog', { name: `Delete ${volume}?` }).waitFor();
    assert.equal(await visitor.focused(), 'Keep it');
    await visitor.shot('delete');
    await page.keyboard.press('Escape');
    assert.equal(await visitor.focused(), `Delete ${volume}`);
    await page.keyboard.press('Enter');
    await visitor.tabTo('Delete', 3);
    await page.keyboard.press('Enter');
    await visitor.card(volume).waitFor({ state: 'detached' });
    // The frame may be there before the answer.
    await until('the focus is on the list', async () => (await visitor.focused()) === 'Volumes');
    assert.ok(!isMounted(place), place);
    await until('it is in the log', async () => (await visitor.lines()).some((line) => line.includes(`${volume}: deleted`)));
  });

  await test(of('a name that looks like HTML is a name, and what others do is seen'), async () => {
    const hostile = '<img src=x onerror=alert(1)>';
    const created = await ask('POST', '/volumes', { name: hostile, size: 20, fs: 'ext4' });
    const answer = await created.json();
    assert.equal(created.status, 201, JSON.stringify(answer));
    await page.reload();
    await visitor.card(answer.name).waitFor();
    assert.equal(await page.locator('img').count(), 0);
    await visitor.shot('hostile');
    assert.equal((await ask('DELETE', `/volumes/${answer.id}`)).status, 204);
    await until('it is gone', async () => (await visitor.card(answer.name).count()) === 0, 20_000);
    // What others make is seen, too.
    const other = await (await ask('POST', '/volumes', { name: `${name}-other`, size: 20, fs: 'ext4' })).json();
    await visitor.card(other.name).waitFor({ timeout: 20_000 });
    assert.equal((await ask('DELETE', `/volumes/${other.id}`)).status, 204);
    await until('it is gone', async () => (await visitor.card(other.name).count()) === 0, 20_000);
  });

  await test(of('the log is bounded'), async () => {
    await page.evaluate(() => {
      for (let line = 0; line < 150; line++) log('none', null, 'x', 'x', `line ${line}`);
    });
    const lines = await visitor.lines();
    assert.equal(lines.length, 100);
    assert.match(lines[0], /line 149$/);
  });

  await test(of('a forgotten token is forgotten'), async () => {
    await page.getByRole('button', { name: 'Forget token' }).click();
    assert.equal(await visitor.focused(), 'Token');
    assert.deepEqual(await page.evaluate(stored), [[], [], '']);
    assert.equal(await page.locator('.volume, #log li').count(), 0);
  });

  await test(of('no complaint, no foreign address, and no address with the token'), async () => {
    assert.deepEqual(visitor.complaints, []);
    assert.deepEqual(await page.evaluate(() => window.stopped), []);
    const hosts = new Set(visitor.addresses.filter((address) => !address.startsWith('data:')).map((address) => new URL(address).host));
    assert.deepEqual([...hosts], [`127.0.0.1:${server.port}`]);
    assert.ok(visitor.addresses.some((address) => address.startsWith('ws:')), 'the socket was seen');
    assert.ok(!visitor.addresses.some((address) => address.includes(server.token)));
  });

  await test(of('and it would have been seen: the policy stops what is no part of the page'), async () => {
    const stopped = await page.evaluate(async () => {
      document.body.setAttribute('style', 'color: red');
      try { document.body.insertAdjacentHTML('beforeend', '<b></b>'); } catch { /* trusted types */ }
      await fetch('http://192.0.2.1/').catch(() => {});
      const script = document.createElement('script');
      try { script.textContent = 'window.ran = true'; } catch { /* trusted types */ }
      document.body.append(script);
      await new Promise((resolve) => setTimeout(resolve, 100));
      return { ran: window.ran ?? false, directives: [...new Set(window.stopped)].sort() };
    });
    assert.equal(stopped.ran, false);
    for (const directive of ['connect-src', 'require-trusted-types-for', 'style-src-attr']) {
      assert.ok(stopped.directives.includes(directive), `${directive}: ${stopped.directives}`);
    }
  });

  await visitor.context.close();
}

let browser;

// `run` ends the server then.
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) {
  process.once(signal, async () => {
    await browser?.close().catch(() => {});
    process.exit(1);
  });
}

(async () => {
  try {
    server.port = await freePort();
    server.url = `http://127.0.0.1:${server.port}`;
    await start();
    // Root has no sandbox in Chromium; it opens nothing but our own page.
    const args = ['--no-sandbox'];
    browser = await chromium.launch({ executablePath: CHROMIUM, args, handleSIGTERM: false, handleSIGINT: false, handleSIGHUP: false });
    for (const name of Object.keys(SIZES)) await visit(browser, name);
  } catch (error) {
    failed += 1;
    console.log(`test of the script itself ... FAILED\n${String(error.stack ?? error).replace(/^/gm, '    ')}`);
  }
  await browser?.close().catch(() => {});
  if (server.process) await stop();
  if (failed && fs.existsSync(server.log)) console.log(`the end of the server's log:\n${fs.readFileSync(server.log, 'utf8').slice(-2000)}`);
  console.log(`\ntest result: ${failed ? 'FAILED' : 'ok'}. ${passed} passed; ${failed} failed; 0 ignored`);
  process.exit(failed ? 1 : 0);
})();

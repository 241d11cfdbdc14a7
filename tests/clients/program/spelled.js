// The same story with the spellings of Lightd's program: `volume_id`, answers in `data` beside `success`, and messages whose words
// are in `args`, both ways.
//
//   node spelled.js http://localhost:8070 TOKEN
'use strict';

const { execFileSync } = require('node:child_process');
const path = require('node:path');
const WebSocket = require('ws');

const [base, token] = process.argv.slice(2);
const headers = { authorization: `bearer ${token}`, accept: 'application/vnd.pkglatv1+json', 'content-type': 'application/json' };

async function ask(method, where, body) {
  const response = await fetch(base + where, { method, headers, body: body && JSON.stringify(body) });
  const answer = await response.json();
  if (!answer.success) throw new Error(`${method} ${where}: ${response.status} ${answer.error}`);
  return answer.data;
}

function need(holds, what) {
  if (!holds) throw new Error(what);
}

async function main() {
  const { volume_id: id, path: place } = await ask('POST', '/volumes', { size: 2048 });

  const socket = new WebSocket(`${base.replace('http', 'ws')}/ws/${id}`, { headers: { authorization: `Bearer ${token}` } });
  const frames = [];
  const waiting = [];
  socket.on('message', (text) => {
    frames.push(JSON.parse(text));
    for (const look of waiting) look();
  });
  const frame = (what, holds) => new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`no frame: ${what}`)), 10_000);
    const look = () => {
      const found = frames.find(holds);
      if (!found) return;
      clearTimeout(late);
      resolve(found);
    };
    waiting.push(look);
    look();
  });
  await new Promise((resolve, reject) => socket.on('open', resolve).on('error', reject));

  await frame('running', ({ event, args }) => event === 'event' && args?.[0] === 'running');
  const { args: [first] } = await frame('stats', ({ event, volume_id }) => event === 'stats' && volume_id === id);
  const stats = JSON.parse(first);
  need(stats.disk_limit_bytes === 2048 * 1024 * 1024, `stats: ${first}`);

  const grow = (name, mb) => execFileSync('fallocate', ['-l', `${mb}M`, path.join(place, name)]);
  grow('world', 1740);
  let quota;
  do quota = await ask('GET', `/volumes/${id}/quota`); while (quota.percentage_used <= 80);
  need((await ask('POST', `/volumes/${id}/resize`, { size: 4096 })).quota_mb === 4096, 'not resized');
  grow('logs', 2200);
  await frame('the alert', ({ event, args }) => event === 'daemon_message' && args?.[0] === 'System out of storage');

  const before = frames.length;
  socket.send(JSON.stringify({ event: 'request_logs', args: [] }));
  socket.send(JSON.stringify({ logs: ['50'] }));
  socket.send(JSON.stringify({ event: 'send_command', args: ['stop'] }));
  await frame('the last messages', (one) => frames.indexOf(one) >= before && one.event === 'logs' && Array.isArray(one.args));
  await frame('who runs commands', (one) => frames.indexOf(one) >= before && one.event === 'daemon_message'
    && one.args[0] !== 'System out of storage');
  console.log('System out of storage');
  socket.close();
}

main().catch((error) => {
  console.error(error.message);
  process.exit(1);
});

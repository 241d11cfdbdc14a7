// A client of Lightd's volume quotas. Written from the public documentation alone (https://docs.pkg.lat/lightd/volume-quotas):
// it must work here, and nothing in it may be changed to suit this server.
//
//   node documented.js http://localhost:8070 TOKEN
'use strict';

const { execFileSync } = require('node:child_process');
const path = require('node:path');
const WebSocket = require('ws');

const [base, token] = process.argv.slice(2);
const headers = {
  Authorization: `Bearer ${token}`,
  Accept: 'Application/vnd.pkglatv1+json',
  'Content-Type': 'application/json',
};

async function ask(method, where, body) {
  const response = await fetch(base + where, { method, headers, body: body && JSON.stringify(body) });
  const answer = await response.json();
  if (!response.ok) throw new Error(`${method} ${where}: ${response.status} ${answer.error}`);
  return answer;
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function poll(id, enough) {
  for (;;) {
    const quota = await ask('GET', `/volumes/${id}/quota`);
    console.log(`${quota.used_mb} of ${quota.size_mb} MB, ${quota.percentage_used} %, ${quota.available_mb} left`);
    if (enough(quota)) return quota;
    await pause(100);
  }
}

function outOfStorage() {
  const socket = new WebSocket(`${base.replace('http', 'ws')}/ws/my-server?token=${token}`);
  const heard = new Promise((resolve, reject) => {
    socket.on('error', reject);
    socket.on('close', () => reject(new Error('the socket was closed')));
    socket.on('message', (text) => {
      const message = JSON.parse(text);
      if (message.event === 'daemon_message' && message.data === 'System out of storage') resolve();
    });
  });
  heard.catch(() => {});
  return new Promise((resolve, reject) => {
    socket.on('open', () => resolve({ heard, socket }));
    socket.on('error', reject);
  });
}

async function main() {
  const volume = await ask('POST', '/volumes', { size: 2048 });
  if (volume.quota_mb !== 2048) throw new Error(`asked for 2048 MB, got ${volume.quota_mb}`);
  console.log(`volume ${volume.id} at ${volume.path}, since ${new Date(volume.created_at * 1000).toISOString()}`);
  const short = volume.id.slice(0, 8); // as in the documentation's examples
  const alert = await outOfStorage();

  // The application: its files take room.
  const grow = (name, mb) => execFileSync('fallocate', ['-l', `${mb}M`, path.join(volume.path, name)]);

  grow('world', 1740);
  await poll(short, (quota) => quota.percentage_used > 80);
  const { id, quota_mb: larger } = await ask('POST', `/volumes/${short}/resize`, { size: 4096 });
  if (id !== volume.id) throw new Error(`another volume was resized: ${id}`);
  if (larger !== 4096) throw new Error(`resized to ${larger} MB`);
  await poll(short, (quota) => quota.size_mb === 4096 && quota.percentage_used < 80);

  grow('logs', 2200);
  await alert.heard;
  const { available_mb: left, percentage_used: used } = await poll(short, () => true);
  if (!(left < 10 || used > 95)) throw new Error(`out of storage with ${left} MB left, ${used} % used`);
  console.log('System out of storage');
  alert.socket.removeAllListeners('close');
  alert.socket.close();
}

main().catch((error) => {
  console.error(error.message);
  process.exit(1);
});

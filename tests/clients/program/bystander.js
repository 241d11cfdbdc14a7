// The client that must be served, whatever others do: asks for a quota on a new connection ten times a second, and listens for alerts.
// A process of its own, so that it measures the server and not who plays the others.
//
//   fork('bystander.js', [URL, TOKEN, VOLUME]); message 'report': what came since the last one
'use strict';

const http = require('node:http');
const WebSocket = require('ws');

const [base, token, volume] = process.argv.slice(2);
const headers = { authorization: `Bearer ${token}`, accept: 'application/vnd.pkglatv1+json' };
let answers = [];
let errors = [];

function ask() {
  const began = performance.now();
  return new Promise((resolve) => {
    const done = (error) => {
      answers.push(performance.now() - began);
      if (error) errors.push(error);
      resolve();
    };
    const options = { headers, agent: false, timeout: 10_000 };
    const asking = http.get(`${base}/volumes/${volume}/quota`, options, (answer) => {
      let text = '';
      answer.on('data', (part) => (text += part));
      answer.on('end', () => {
        const sound = answer.statusCode === 200 && JSON.parse(text).size_mb > 0;
        done(sound ? undefined : `${answer.statusCode} ${text}`);
      });
      answer.on('error', (error) => done(error.message));
    });
    asking.on('timeout', () => asking.destroy(new Error('no answer after 10 s')));
    asking.on('error', (error) => done(error.message));
  });
}

const socket = new WebSocket(`${base.replace('http', 'ws')}/ws/${volume}`, { headers });
socket.on('open', () => process.send({ ready: true }));
socket.on('error', (error) => errors.push(error.message));
socket.on('close', (code) => errors.push(`the socket was closed: ${code}`));
socket.on('message', (text) => {
  const frame = JSON.parse(text);
  if (frame.event === 'daemon_message') process.send({ alert: Date.now() });
  if (frame.event === 'storage') process.send({ level: frame.data.state });
});

process.on('message', () => {
  const sorted = answers.sort((a, b) => a - b);
  const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
  process.send({ report: { count: sorted.length, median: at(0.5), worst: at(1), errors } });
  answers = [];
  errors = [];
});
process.on('disconnect', () => process.exit(0));

(async () => {
  for (;;) {
    await ask();
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
})();

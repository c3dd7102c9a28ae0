// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
// Keeps zlib streams that were written to once: node opens the native stream at the first write,
// in a thread of its pool. Prints its own counts, as tests/programs/program.h says.
//   --kind inflate|deflate  --count N  --rate R  --close (the twin)  --wait  --hold
'use strict';

const fs = require('fs');
const zlib = require('zlib');

const PACKED = zlib.deflateSync(Buffer.alloc(40000));

function parse(argv) {
  const options = { kind: 'inflate', count: 1000, rate: 300 };
  for (let i = 0; i < argv.length; i++) {
    const name = argv[i].replace(/^--/, '');
    if (['close', 'wait', 'hold'].includes(name)) options[name] = true;
    else if (name === 'kind') options.kind = argv[++i];
    else if (['count', 'rate'].includes(name)) options[name] = Number(argv[++i]);
    else throw new Error(`what is ${argv[i]}?`);
  }
  return options;
}

function waitForLine() {
  const byte = Buffer.alloc(1);
  while (fs.readSync(0, byte, 0, 1, null) === 1 && byte[0] !== 10);
}

// Resolves when the write is done, which is when the stream is open.
function openStream(kind) {
  return new Promise((resolve, reject) => {
    const stream = kind === 'inflate' ? zlib.createInflate() : zlib.createDeflate();
    stream.on('error', reject);
    stream.on('data', () => {});
    stream.write(kind === 'inflate' ? PACKED.subarray(0, 10) : 'a message', () => resolve(stream));
  });
}

function closeStream(stream) {
  return new Promise((resolve) => {
    stream.on('close', resolve);
    stream.destroy();
  });
}

async function main() {
  const options = parse(process.argv.slice(2));
  for (let i = 0; i < 20; i++) await closeStream(await openStream(options.kind));
  fs.writeSync(1, `ready pid=${process.pid}\n`);
  if (options.wait) waitForLine();

  const kept = [];
  let opened = 0;
  let closed = 0;
  const start = Date.now();
  for (let i = 1; i <= options.count; i++) {
    const stream = await openStream(options.kind);
    opened++;
    if (options.close) {
      await closeStream(stream);
      closed++;
    } else {
      kept.push(stream);
    }
    const early = options.rate ? start + (i * 1000) / options.rate - Date.now() : 0;
    if (early > 0) await new Promise((resolve) => setTimeout(resolve, early));
  }
  fs.writeSync(1, `done pid=${process.pid} opened=${opened} closed=${closed} open=${opened - closed}\n`);
  if (options.hold) waitForLine();
  process.exit(0);
}

main();

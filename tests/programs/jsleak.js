// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
// Keeps zlib streams that are opened on the main thread, from functions that are compiled by then, so
// that JavaScript is on the stack. Prints its own counts, as tests/programs/program.h says.
//   --count N  --rate R  --close (the twin)  --wait  --hold
'use strict';

const fs = require('fs');
const zlib = require('zlib');

const PACKED = zlib.deflateSync(Buffer.alloc(40000));
const ROOM = Buffer.alloc(64);
const kept = [];
let opened = 0;
let closed = 0;

function waitForLine() {
  const byte = Buffer.alloc(1);
  while (fs.readSync(0, byte, 0, 1, null) === 1 && byte[0] !== 10);
}

// The native stream is opened at the first write; a synchronous one opens it here and now.
function forgetInflater(close) {
  const stream = zlib.createInflate();
  stream._handle.writeSync(zlib.constants.Z_NO_FLUSH, PACKED, 0, 10, ROOM, 0, ROOM.length);
  opened++;
  if (close) {
    stream.close();
    closed++;
  } else {
    kept.push(stream);
  }
}

function serveRequest(close) {
  forgetInflater(close);
}

function option(name, otherwise) {
  const i = process.argv.indexOf(`--${name}`);
  return i < 0 ? otherwise : Number(process.argv[i + 1]);
}

const has = (name) => process.argv.includes(`--${name}`);
const count = option('count', 1000);
const rate = option('rate', 400);

for (let i = 0; i < 3000; i++) serveRequest(true);	// until it is compiled
opened = closed = 0;
setTimeout(() => {	// by then, those are closed
  fs.writeSync(1, `ready pid=${process.pid}\n`);
  if (has('wait')) waitForLine();
  const pause = new Int32Array(new SharedArrayBuffer(4));
  for (let i = 0; i < count; i++) {
    serveRequest(has('close'));
    Atomics.wait(pause, 0, 0, 1000 / rate);
  }
  setTimeout(() => {
    fs.writeSync(1, `done pid=${process.pid} opened=${opened} closed=${closed} open=${opened - closed}\n`);
    if (has('hold')) waitForLine();
    process.exit(0);
  }, 50);
}, 50);

// SPDX-License-Identifier: Apache-2.0
// Loaded into a tool server (node --require) to say what it was really asked and what it answered,
// seen from inside: nothing is put between it and its client. One JSON line per message to the file
// MCP_LOG: {pid, dir: "in" or "out", via: "stdio" or "http", bytes, message}.
'use strict';
const fs = require('fs'), http = require('http');

const to = fs.openSync(process.env.MCP_LOG, 'a');

function note(dir, via, text) {
	let message;
	try {
		message = JSON.parse(text);
	} catch {
		return; // a health check, an empty body
	}
	for (const m of Array.isArray(message) ? message : [message])
		fs.writeSync(to, JSON.stringify({ pid: process.pid, dir, via, bytes: Buffer.byteLength(text), message: m }) + '\n');
}

// Whole lines out of what comes in pieces.
function lines(dir) {
	let rest = Buffer.alloc(0);
	return (chunk) => {
		rest = Buffer.concat([rest, Buffer.from(chunk)]);
		for (let end; (end = rest.indexOf(10)) >= 0; rest = rest.subarray(end + 1))
			note(dir, 'stdio', rest.subarray(0, end).toString());
	};
}

if (process.argv.includes('streamableHttp')) {
	const emit = http.Server.prototype.emit;
	http.Server.prototype.emit = function (event, req, ...more) {
		if (event === 'request') {
			const parts = [], push = req.push;
			req.push = (chunk, ...how) => {
				if (chunk) parts.push(chunk);
				else note('in', 'http', Buffer.concat(parts).toString());
				return push.call(req, chunk, ...how);
			};
		}
		return emit.call(this, event, req, ...more);
	};
} else {
	const input = lines('in'), output = lines('out');
	const emit = process.stdin.emit, write = process.stdout.write;
	process.stdin.emit = function (event, ...more) {
		if (event === 'data') input(more[0]);
		return emit.call(this, event, ...more);
	};
	process.stdout.write = function (chunk, ...more) {
		output(chunk);
		return write.call(this, chunk, ...more);
	};
}

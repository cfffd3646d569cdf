#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
// Generates conversations with the fake AI service by node's own HTTP/1.1 and HTTP/2 clients and the
// package ws, and records the bytes of every connection in the order they passed.
//
// usage: converse.js WIRE PORT COUNT SEED DIR     WIRE: h1, h2 (in clear), ws
// Leaves DIR/WIRE-N.conn: records of direction (0 from the client, 1 from the service), length
// (32 bit, big-endian), bytes. Each conversation has a model of its own, WIRE-N-I, which is how the
// service's log and what is read out of the bytes find each other. Prints how many were held.
'use strict';
const fs = require('fs'), http = require('http'), http2 = require('http2'), net = require('net'), path = require('path'), zlib = require('zlib');
const { spawnSync } = require('child_process');

const [wire, port, count, seed, dir] = [process.argv[2], +process.argv[3], +process.argv[4], +process.argv[5], process.argv[6]];

// mulberry32: the same conversations for the same seed.
let state = seed >>> 0;
function random() {
	state = (state + 0x6D2B79F5) >>> 0;
	let t = state;
	t = Math.imul(t ^ (t >>> 15), t | 1);
	t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
	return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
}
const below = (n) => Math.floor(random() * n);
const pick = (list) => list[below(list.length)];

const WORDS = 'the quick brown fox jumps over a lazy dog while Zürich sleeps and 東京 wakes'.split(' ');
function text() {
	const n = pick([1, 5, 40, 40, 400, 4000, 20000]);
	return Array.from({ length: n }, () => pick(WORDS)).join(' ');
}

const TOOL = { description: 'weather', parameters: { type: 'object', properties: { city: { type: 'string' } } } };
function ask(model) {
	const stream = random() < 0.7, tools = random() < 0.3;
	const content = text(), messages = [{ role: 'user', content }];
	switch (below(5)) {
	case 0: return ['/v1/chat/completions', { model, stream, messages, ...(stream ? { stream_options: { include_usage: true } } : {}),
		...(tools ? { tools: [{ type: 'function', function: { name: 'get_weather', ...TOOL } }] } : {}) }];
	case 1: return ['/v1/responses', { model, stream, input: messages, ...(tools ? { tools: [{ type: 'function', name: 'get_weather', ...TOOL }] } : {}) }];
	case 2: return ['/v1/messages', { model, stream, max_tokens: 64, messages,
		...(tools ? { tools: [{ name: 'get_weather', description: 'weather', input_schema: TOOL.parameters }] } : {}) }];
	case 3: return [`/v1beta/models/${model}:${stream ? 'streamGenerateContent?alt=sse' : 'generateContent'}`,
		{ contents: [{ role: 'user', parts: [{ text: content }] }] }];
	default: return ['/api/chat', { model, stream, messages }];
	}
}

// Node before 22.15 has no zstd of its own.
const zstd = (plain) => spawnSync('zstd', ['-q', '-c'], { input: plain, maxBuffer: 1 << 28 }).stdout;
const CODE = { gzip: zlib.gzipSync, br: zlib.brotliCompressSync, deflate: zlib.deflateSync, zstd };
function body(json) {
	const coding = pick(['', '', '', 'gzip', 'br', 'deflate', 'zstd']);
	const plain = Buffer.from(JSON.stringify(json));
	return coding ? [CODE[coding](plain), { 'content-encoding': coding }] : [plain, {}];
}

function headers() {
	const coding = pick(['', '', '', 'gzip', 'gzip', 'br', 'br', 'deflate', 'deflate', 'zstd']);
	return { 'content-type': 'application/json', 'user-agent': 'converse/1', 'x-fake-delay-ms': '0',
		...(random() < 0.3 ? { 'x-fake-split': String(1 + below(700)) } : {}),
		...(coding ? { 'accept-encoding': coding, 'x-fake-encode': coding } : {}) };
}

// A proxy that passes bytes on and keeps them.
function recorder(to) {
	const out = fs.openSync(to, 'w');
	const keep = (way) => (d) => {
		const head = Buffer.alloc(5);
		head[0] = way;
		head.writeUInt32BE(d.length, 1);
		fs.writeSync(out, Buffer.concat([head, d]));
	};
	const server = net.createServer((down) => {
		const up = net.connect(port, '127.0.0.1');
		down.on('data', keep(0));
		up.on('data', keep(1));
		down.pipe(up);
		up.pipe(down);
		for (const s of [up, down]) s.on('error', () => { up.destroy(); down.destroy(); });
	});
	return new Promise((done) => server.listen(0, '127.0.0.1', () => done({
		port: server.address().port,
		close: () => new Promise((closed) => server.close(() => { fs.closeSync(out); closed(); })),
	})));
}

const drain = (stream) => new Promise((done) => { stream.on('data', () => {}); stream.on('end', done); stream.on('error', done); stream.on('close', done); });

async function h1(at, models) {
	const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
	for (const model of models) {
		const [p, json] = ask(model), [data, coded] = body(json);
		const chunked = random() < 0.3;
		await new Promise((done, fail) => {
			const req = http.request({ agent, host: '127.0.0.1', port: at, method: 'POST', path: p,
				headers: { ...headers(), ...coded, ...(chunked ? {} : { 'content-length': data.length }) } }, (res) => drain(res).then(done));
			req.on('error', fail);
			for (let i = 0; i < data.length;) {
				const n = chunked ? 1 + below(9000) : data.length;
				req.write(data.subarray(i, i + n));
				i += n;
			}
			req.end();
		});
	}
	agent.destroy();
}

async function h2(at, models) {
	const session = http2.connect(`http://127.0.0.1:${at}`);
	session.on('error', () => {});
	await Promise.all(models.map((model) => {
		const [p, json] = ask(model), [data, coded] = body(json);
		const req = session.request({ ':method': 'POST', ':path': p, ':authority': 'api.openai.com', ...headers(), ...coded });
		req.end(data);
		return drain(req);
	}));
	await new Promise((done) => session.close(done));
}

async function ws(at, models) {
	const { WebSocket } = require('ws');
	const socket = new WebSocket(`ws://127.0.0.1:${at}/v1/responses`, { perMessageDeflate: random() < 0.6 ? { threshold: 0 } : false,
		headers: { 'user-agent': 'converse/1', host: 'api.openai.com' } });
	await new Promise((done, fail) => { socket.on('open', done); socket.on('error', fail); });
	for (const model of models) {
		const over = new Promise((done) => socket.on('message', function on(d) {
			if (!/"type":"response\.completed"/.test(d.toString())) return;
			socket.off('message', on);
			done();
		}));
		const json = { type: 'response.create', model, input: [{ role: 'user', content: text() }],
			...(random() < 0.3 ? { tools: [{ type: 'function', name: 'get_weather', ...TOOL }] } : {}) };
		const data = JSON.stringify(json), cut = random() < 0.3 ? 1 + below(data.length - 1) : 0;
		if (cut) socket.send(data.slice(0, cut), { fin: false });
		socket.send(cut ? data.slice(cut) : data);
		if (random() < 0.2) socket.ping();
		await over;
	}
	await new Promise((done) => { socket.on('close', done); socket.close(); });
}

async function main() {
	let held = 0;
	for (let n = 0; held < count; n++) {
		const models = Array.from({ length: Math.min(1 + below(wire === 'h2' ? 8 : 5), count - held) }, (_, i) => `${wire}-${n}-${i}`);
		const rec = await recorder(path.join(dir, `${wire}-${n}.conn`));
		await { h1, h2, ws }[wire](rec.port, models);
		await rec.close();
		held += models.length;
	}
	console.log(held);
	process.exit(0);
}

main().catch((e) => { console.error(`converse: ${e.stack}`); process.exit(1); });

#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
// A fake AI service on loopback for the system tests: https and http, HTTP/1.1 and, when asked,
// HTTP/2 and WebSocket. What it says is in fakellm_answers.js, WebSocket in fakellm_ws.js; this file
// is the server, the content codings and the log.
//
// When it listens it prints one JSON line: {"https":PORT,"http":PORT,"pid":PID}. Settings:
//   FAKE_CERTS       folder with server.pem and server.key (mkca.sh); without it there is no https
//   FAKE_HTTPS_PORT  FAKE_HTTP_PORT   default 0 = any free port
//   FAKE_ADDRESS     default 127.0.0.1
//   FAKE_LOG         file the log lines are appended to; default stderr
//   FAKE_ENCODE      gzip, br, deflate or zstd: code answers so when Accept-Encoding names it;
//                    streams are flushed after every part, so a reader can follow
//   FAKE_DELAY_MS    pause before each part of a stream; default 2
//   FAKE_SPLIT       send answers in writes of at most so many bytes; default 0 = a part a write
//   FAKE_TEXT        what the assistant says
//   FAKE_H2=1        offer HTTP/2 as well
//   FAKE_H2C=1       HTTP/2 in clear on a port of its own ("h2c" in the line)
//   FAKE_WS          deflate, plain or refuse: answer WebSocket upgrades (needs the package ws)
//   FAKE_TOOLS       none, or a regular expression: call the first tool offered that matches; default
//                    the first. FAKE_ARGUMENTS: JSON of its arguments
//   FAKE_PLAN        JSON, [{"tool":expression,"arguments":{}}]: call these one after the other instead
//   FAKE_CIPHERS, FAKE_TLS_MAX   as node's options ciphers and maxVersion
// A request may set encode, delay-ms and split for itself with x-fake-encode and so on.
// Models that ask for trouble: "error-429" (400, 401, 429, 500, 503) is answered with that status;
// a name that begins with "cut-" has its connection closed in the middle of the answer.
//
// The log is JSON lines, written when the thing is over:
//   {"event":"request", conn, received: {...}, answered: {...}}   received as read off the wire;
//       answered.usage, tool_calls, id, finish_reason as sent, null where the dialect sends none;
//       with answered.aborted they are what would have been sent, and an end is missing
//   {"event":"connection", conn, tls, handshake, app_bytes, requests}   at its end, also if it dies
//       before a request; app_bytes is the plaintext received (null for HTTP/2)
//   {"event":"tls_error", ...}   a handshake that failed
// received.body_sha256 and answered.body_sha256 are of the body after content decoding, *_wire_bytes
// before it.
'use strict';
const crypto = require('crypto'), fs = require('fs'), path = require('path');
const http = require('http'), http2 = require('http2'), https = require('https'), zlib = require('zlib');
const { spawnSync } = require('child_process');
const { understand, answer, error, spoken } = require(path.join(__dirname, 'fakellm_answers.js'));

const env = process.env;
const TEXT = env.FAKE_TEXT || 'FAKE-REPLY-MARKER-4242: it is 18 degrees in Bern, said the fake service.';
const TOOLS = { pick: env.FAKE_TOOLS || '', arguments: env.FAKE_ARGUMENTS ? JSON.parse(env.FAKE_ARGUMENTS) : null,
	plan: env.FAKE_PLAN ? JSON.parse(env.FAKE_PLAN) : null };
const settings = { encode: env.FAKE_ENCODE || '', 'delay-ms': env.FAKE_DELAY_MS || '2', split: env.FAKE_SPLIT || '0' };
const logFd = env.FAKE_LOG ? fs.openSync(env.FAKE_LOG, 'a') : 2;
const log = (line) => fs.writeSync(logFd, JSON.stringify({ at: new Date().toISOString(), ...line }) + '\n');
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
const sha256 = (buf) => crypto.createHash('sha256').update(buf).digest('hex');
const setting = (req, name) => req.headers[`x-fake-${name}`] || settings[name];

// ---- Content codings

// Node before 22.15 has no zstd; the zstd program makes each part a frame of its own, which is a
// valid stream too.
function zstd(args, input) {
	const r = spawnSync('zstd', ['-q', '-c', ...args], { input, maxBuffer: 1 << 28 });
	if (r.status !== 0) throw new Error(`zstd: ${r.error || r.stderr}`);
	return r.stdout;
}

function decode(buf, coding) {
	switch (coding || 'identity') {
	case 'identity': return buf;
	case 'gzip': return zlib.gunzipSync(buf);
	case 'deflate': return zlib.inflateSync(buf);
	case 'br': return zlib.brotliDecompressSync(buf);
	case 'zstd': return zlib.zstdDecompressSync ? zlib.zstdDecompressSync(buf) : zstd(['-d'], buf);
	default: throw new Error(`unknown coding ${coding}`);
	}
}

const CODERS = {
	gzip: () => [zlib.createGzip(), zlib.constants.Z_SYNC_FLUSH],
	deflate: () => [zlib.createDeflate(), zlib.constants.Z_SYNC_FLUSH],
	br: () => [zlib.createBrotliCompress(), zlib.constants.BROTLI_OPERATION_FLUSH],
	zstd: zlib.createZstdCompress && (() => [zlib.createZstdCompress(), zlib.constants.ZSTD_e_flush]),
};

// part(buf) gives the coded bytes up to a flush, end() the rest.
function coder(coding) {
	if (!coding) return { part: async (buf) => buf, end: async () => Buffer.alloc(0) };
	if (!CODERS[coding]) return { part: async (buf) => zstd([], buf), end: async () => Buffer.alloc(0) };
	const [stream, flush] = CODERS[coding]();
	let out = [];
	const take = () => Buffer.concat(out.splice(0));
	stream.on('data', (d) => out.push(d));
	return {
		part: (buf) => new Promise((done) => { stream.write(buf); stream.flush(flush, () => done(take())); }),
		end: () => new Promise((done) => { stream.once('end', () => done(take())); stream.end(); }),
	};
}

function codingFor(req) {
	const wish = setting(req, 'encode');
	const offered = String(req.headers['accept-encoding'] || '').split(',').map((s) => s.split(';')[0].trim());
	return wish in CODERS && offered.includes(wish) ? wish : '';
}

// ---- Answers

const TYPES = { json: 'application/json', array: 'application/json; charset=UTF-8', ndjson: 'application/x-ndjson',
	sse: 'text/event-stream; charset=utf-8' };

// The answer as the texts that are sent one after the other.
function texts({ form, parts }) {
	const json = (x) => (typeof x === 'string' ? x : JSON.stringify(x));
	if (form === 'sse') return parts.map(([name, data]) => (name ? `event: ${name}\n` : '') + `data: ${json(data)}\n\n`);
	if (form === 'ndjson') return parts.map((p) => json(p) + '\n');
	if (form === 'array') return parts.map((p, i) => (i ? ',\r\n' : '[') + json(p) + (i === parts.length - 1 ? ']' : ''));
	return parts.map(json);
}

// Sends and returns what was sent; `cut` closes the connection after half of it.
async function send(req, res, status, reply, cut) {
	const coding = codingFor(req), code = coder(coding), hash = crypto.createHash('sha256');
	const sent = { status, coding: coding || null, wire_bytes: 0, body_bytes: 0 };
	const closed = new Promise((done) => res.once('close', done));
	const put = async (buf) => {
		const size = Number(setting(req, 'split')) || buf.length;
		for (let i = 0; i < buf.length && !res.destroyed; i += size) {
			const part = buf.subarray(i, i + size);
			await Promise.race([new Promise((done) => res.write(part, done)), closed]);
			sent.wire_bytes += part.length;
		}
	};
	const note = (part) => {
		hash.update(part);
		sent.body_bytes += part.length;
	};
	res.setHeader('content-type', TYPES[reply.form]);
	if (coding) res.setHeader('content-encoding', coding);
	if (status >= 400) res.setHeader('x-should-retry', 'false'); // keeps the SDKs to one try
	const parts = texts(reply).map((t) => Buffer.from(t));
	if (reply.form === 'json') {
		const whole = Buffer.concat([await code.part(parts[0]), await code.end()]);
		res.writeHead(status, { 'content-length': whole.length });
		await put(cut ? whole.subarray(0, whole.length >> 1) : whole);
		note(coding ? parts[0] : parts[0].subarray(0, sent.wire_bytes));
	} else {
		res.writeHead(status);
		for (const part of cut ? parts.slice(0, Math.ceil(parts.length / 2)) : parts) {
			await sleep(Number(setting(req, 'delay-ms')));
			if (res.destroyed) break;
			await put(await code.part(part));
			note(part);
		}
		if (!cut) await put(await code.end());
	}
	const aborted = cut || res.destroyed;
	if (cut) req.socket.destroy();
	else if (!aborted) res.end();
	await closed;
	return { ...sent, aborted: aborted || !res.writableFinished, body_sha256: hash.digest('hex') };
}

// For browsers: a page whose script makes one streamed call.
const PAGE = `<!doctype html><pre id=o>wait</pre><script>
fetch('/v1/chat/completions', {method: 'POST', headers: {'content-type': 'application/json'}, body: JSON.stringify({
	model: new URLSearchParams(location.search).get('model') || 'browser', stream: true,
	stream_options: {include_usage: true}, messages: [{role: 'user', content: 'hello from a browser'}]})})
.then((r) => r.text()).then((t) => { document.getElementById('o').textContent = t; });
</script>`;

// Small questions clients ask beside the AI calls.
function aside(method, p) {
	if (/\/messages\/count_tokens$/.test(p)) return { input_tokens: 120 };
	if (/:countTokens$/.test(p)) return { totalTokens: 120 };
	if (method === 'GET' && /\/models$/.test(p))
		return { object: 'list', data: [{ id: 'fake-model', object: 'model', created: 1, owned_by: 'fake' }] };
	if (p === '/api/tags') return { models: [{ name: 'fake:latest', model: 'fake:latest', size: 1, digest: '0', details: {} }] };
	if (p === '/api/version') return { version: '0.0.0' };
	return null;
}

const NOTHING = { id: null, model: null, finish_reason: null, tool_calls: [], usage: null, error_type: null };
let requests = 0;

async function reply(req, res, p, query, body) {
	if (req.method === 'GET' && p === '/page') {
		res.writeHead(200, { 'content-type': 'text/html' }).end(PAGE);
		return { asked: null, said: NOTHING, sent: { status: 200 } };
	}
	const asked = req.method === 'POST' ? understand(p, query, body) : null;
	if (!asked) {
		const told = aside(req.method, p);
		const lost = { error: { message: 'not here', type: 'not_found' } };
		return { asked, said: NOTHING, sent: await send(req, res, told ? 200 : 404, { form: 'json', parts: [told || lost] }) };
	}
	const wrong = error(asked);
	if (wrong) {
		const sent = await send(req, res, wrong.status, { form: 'json', parts: [wrong.body] });
		return { asked, said: { ...NOTHING, error_type: wrong.type }, sent };
	}
	const given = answer(asked, body, ++requests, TEXT, TOOLS);
	const sent = await send(req, res, 200, given, /^cut-/.test(asked.model || ''));
	return { asked, said: { ...NOTHING, ...given.said }, sent };
}

function readBody(req) {
	return new Promise((done) => {
		const parts = [];
		req.on('data', (d) => parts.push(d));
		req.on('end', () => done({ raw: Buffer.concat(parts), whole: true }));
		req.on('close', () => done({ raw: Buffer.concat(parts), whole: req.complete }));
		req.on('error', () => done({ raw: Buffer.concat(parts), whole: false }));
	});
}

async function handle(req, res) {
	const socket = req.stream ? req.stream.session.socket : req.socket;
	const conn = socket.fakeConn || {};
	const [p, query = ''] = req.url.split('?');
	const { raw, whole } = await readBody(req);
	const received = {
		method: req.method, path: p, http: req.httpVersion, host: req.headers.host || req.headers[':authority'] || null,
		user_agent: req.headers['user-agent'] || null, headers: req.rawHeaders.filter((_, i) => i % 2 === 0),
		coding: req.headers['content-encoding'] || null, whole, wire_bytes: raw.length,
	};
	let body = {}, plain = raw;
	try {
		plain = decode(raw, req.headers['content-encoding']);
		body = JSON.parse(plain.toString()) || {};
	} catch (e) {
		received.unreadable = raw.length ? e.message.slice(0, 120) : undefined;
	}
	Object.assign(received, { body_bytes: plain.length, body_sha256: sha256(plain) });
	conn.requests++;
	if (!whole) return log({ event: 'request', conn: conn.id, received, answered: null });
	const { asked, said, sent } = await reply(req, res, p, query, body);
	const { dialect = null, model = null, stream = null, tools = [], messages = null } = asked || {};
	log({ event: 'request', conn: conn.id, port: conn.port, received: { ...received, dialect, model, stream, tools, messages },
		answered: { ...sent, ...said } });
}

// ---- Connections

let connections = 0;

// Counts received plaintext. Our 'data' listener makes node's HTTP parser read through the socket's
// events rather than from its handle, so nothing passes uncounted.
function watch(socket, secure) {
	const h2 = socket.alpnProtocol === 'h2';
	const conn = { id: ++connections, port: socket.localPort, requests: 0, in: 0 };
	socket.fakeConn = conn;
	if (!h2) socket.on('data', (d) => { conn.in += d.length; });
	socket.on('error', () => {}); // a client that dies is an expected case; 'close' follows
	socket.on('close', () => log({
		event: 'connection', conn: conn.id, port: conn.port, tls: secure ? socket.fakeTls : null, handshake: secure,
		app_bytes: h2 ? null : conn.in, requests: conn.requests,
	}));
	if (secure) socket.fakeTls = { version: socket.getProtocol(), cipher: socket.getCipher().name,
		sni: socket.servername || null, alpn: socket.alpnProtocol || null };
}

const onRequest = (req, res) => handle(req, res).catch((e) => {
	log({ event: 'exception', error: String(e && e.stack) });
	res.destroy();
});

function listen(server, port) {
	return new Promise((done, fail) => {
		server.on('error', fail);
		server.listen(Number(port || 0), env.FAKE_ADDRESS || '127.0.0.1', () => done(server.address().port));
	});
}

function upgrades(server) {
	if (!env.FAKE_WS) return;
	require(path.join(__dirname, 'fakellm_ws.js')).attach(server, { ws: env.FAKE_WS, delay: Number(settings['delay-ms']) }, log,
		(dialect, m) => spoken(dialect, m, ++requests, TEXT, TOOLS));
}

function secureServer(folder) {
	const pair = {
		key: fs.readFileSync(path.join(folder, 'server.key')), cert: fs.readFileSync(path.join(folder, 'server.pem')),
		...(env.FAKE_CIPHERS ? { ciphers: env.FAKE_CIPHERS } : {}), ...(env.FAKE_TLS_MAX ? { maxVersion: env.FAKE_TLS_MAX } : {}),
	};
	const server = env.FAKE_H2 === '1'
		? http2.createSecureServer({ ...pair, allowHTTP1: true }, onRequest)
		: https.createServer(pair, onRequest);
	server.on('secureConnection', (s) => watch(s, true));
	server.on('tlsClientError', (e, s) => log({ event: 'tls_error', port: s.localPort, error: e.code || e.message }));
	server.on('sessionError', () => {});
	upgrades(server);
	return server;
}

async function main() {
	const plain = http.createServer(onRequest);
	plain.on('connection', (s) => watch(s, false));
	upgrades(plain);
	const ready = { http: await listen(plain, env.FAKE_HTTP_PORT), pid: process.pid };
	if (env.FAKE_H2C) {
		const clear = http2.createServer(onRequest);
		clear.on('connection', (s) => watch(s, false));
		clear.on('sessionError', () => {});
		ready.h2c = await listen(clear, 0);
	}
	if (env.FAKE_CERTS) ready.https = await listen(secureServer(env.FAKE_CERTS), env.FAKE_HTTPS_PORT);
	console.log(JSON.stringify(ready));
}

process.on('SIGTERM', () => process.exit(0));
main().catch((e) => { console.error(`fakellm: ${e.message}`); process.exit(1); });

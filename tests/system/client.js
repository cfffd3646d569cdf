// SPDX-License-Identifier: Apache-2.0
// Node clients for the system tests. usage: client.js HOW PORT [NODE_MODULES], with the CA in
// NODE_EXTRA_CA_CERTS and calls as JSON on stdin: [{how?, host, path, body, agent, ...}]. Prints one
// JSON line per call: {"ok": true, ...} or {"ok": false, "error"}.
//
//   https      node:https, one kept-alive connection per host
//   fetch      the global fetch
//   openai     the openai package: kind chat, responses; stream, tools
//   anthropic  @anthropic-ai/sdk
//   genai      @google/genai
//   ollama     ollama
//
// Every name resolves to 127.0.0.1.
'use strict';
const dns = require('dns'), https = require('https'), fs = require('fs'), path = require('path');

const [how, port, modules] = process.argv.slice(2);
const load = (name) => require(require.resolve(name, { paths: [modules] }));
dns.lookup = (name, options, done) => {
	if (typeof options === 'function') [options, done] = [{}, options];
	process.nextTick(() => (options.all ? done(null, [{ address: '127.0.0.1', family: 4 }]) : done(null, '127.0.0.1', 4)));
};

const agent = new https.Agent({ keepAlive: true, maxSockets: 1 });
const KEY = { apiKey: 'none', maxRetries: 0 };
const headers = (call) => ({ 'content-type': 'application/json', authorization: 'Bearer none', 'user-agent': call.agent, ...call.headers });
const url = (call) => `https://${call.host}:${port}${call.path || ''}`;

function withHttps(call) {
	return new Promise((done, fail) => {
		const body = JSON.stringify(call.body);
		const ask = https.request(url(call), { method: 'POST', agent,
			headers: { ...headers(call), 'content-length': Buffer.byteLength(body) } }, (answer) => {
			let bytes = 0;
			answer.on('data', (d) => { bytes += d.length; });
			answer.on('end', () => done({ status: answer.statusCode, bytes }));
			answer.on('error', fail);
		});
		ask.on('error', fail);
		ask.end(body);
	});
}

async function withFetch(call) {
	const answer = await fetch(url(call), { method: 'POST', headers: headers(call), body: JSON.stringify(call.body) });
	return { status: answer.status, bytes: (await answer.arrayBuffer()).byteLength };
}

async function drain(stream) {
	let events = 0;
	for await (const _ of stream) events++;
	return events;
}

async function withOpenai(call) {
	const OpenAI = load('openai');
	const client = new (OpenAI.default || OpenAI)({ ...KEY, baseURL: `${url(call)}/v1`, defaultHeaders: headers(call) });
	const made = await (call.kind === 'responses' ? client.responses : client.chat.completions).create(call.body);
	return call.body.stream ? { events: await drain(made) } : { id: made.id };
}

async function withAnthropic(call) {
	const Anthropic = load('@anthropic-ai/sdk');
	const client = new (Anthropic.default || Anthropic)({ ...KEY, baseURL: url(call), defaultHeaders: headers(call) });
	const made = await client.messages.create(call.body);
	return call.body.stream ? { events: await drain(made) } : { id: made.id };
}

async function withGenai(call) {
	const { GoogleGenAI } = load('@google/genai');
	const client = new GoogleGenAI({ apiKey: 'none', httpOptions: { baseUrl: url(call), headers: headers(call) } });
	if (call.stream) return { events: await drain(await client.models.generateContentStream(call.body)) };
	return { id: (await client.models.generateContent(call.body)).responseId };
}

async function withOllama(call) {
	const { Ollama } = load('ollama');
	const client = new Ollama({ host: url(call), headers: headers(call) });
	const made = await client.chat(call.body);
	return call.body.stream ? { events: await drain(made) } : { model: made.model };
}

const HOW = { https: withHttps, fetch: withFetch, openai: withOpenai, anthropic: withAnthropic, genai: withGenai, ollama: withOllama };

async function main() {
	for (const call of JSON.parse(fs.readFileSync(0))) {
		const said = await HOW[call.how || how](call).then((x) => ({ ok: true, ...x }),
			(e) => ({ ok: false, status: e.status, error: String(e.message).slice(0, 200) }));
		console.log(JSON.stringify({ agent: call.agent, ...said }));
	}
	agent.destroy();
}

main();

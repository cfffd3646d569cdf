#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
// An agent in small: asks a model, runs the tools it asks for, tells it what they said, until it asks
// for none. Settings as JSON in TOOL_AGENT: {ca, port, host, dialect: "openai_chat" |
// "anthropic_messages", model, stream, curl: ask through curl instead of node's own TLS, tools: {name:
// [argv, ...]}, pause_ms: before each tool is run}. Prints one JSON line per tool call: {tool, id, ran:
// [{code, out}]}, a signal as 128 + its number; at the end {"done": true, "pid", "error"?}.
'use strict';
const { execFileSync, spawnSync } = require('child_process');
const fs = require('fs'), https = require('https'), os = require('os');

const set = JSON.parse(process.env.TOOL_AGENT);
const claude = set.dialect === 'anthropic_messages';
const path = claude ? '/v1/messages' : '/v1/chat/completions';
const parameters = { type: 'object' };
const tools = Object.keys(set.tools).map((name) => (claude ? { name, input_schema: parameters }
	: { type: 'function', function: { name, parameters } }));
const messages = [{ role: 'user', content: 'do it' }];
const say = (line) => fs.writeSync(1, JSON.stringify(line) + '\n');

function viaCurl(text) {
	return execFileSync('/usr/bin/curl', ['-sS', '-N', '--cacert', set.ca, '--resolve', `${set.host}:${set.port}:127.0.0.1`,
		'-H', 'content-type: application/json', '-d', text, `https://${set.host}:${set.port}${path}`]).toString();
}

function viaNode(text) {
	return new Promise((done, fail) => {
		const req = https.request({ host: set.host, port: set.port, path, method: 'POST', ca: fs.readFileSync(set.ca),
			lookup: (name, options, cb) => (options.all ? cb(null, [{ address: '127.0.0.1', family: 4 }]) : cb(null, '127.0.0.1', 4)),
			headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) } }, (answer) => {
			const parts = [];
			answer.on('data', (d) => parts.push(d));
			answer.on('end', () => done(Buffer.concat(parts).toString()));
		});
		req.on('error', fail);
		req.end(text);
	});
}

const events = (text) => text.split('\n').filter((l) => /^data: \{/.test(l)).map((l) => JSON.parse(l.slice(6)));

// The tool calls of an answer: [{id, name}].
function asked(text) {
	if (claude) {
		const blocks = set.stream ? events(text).map((e) => e.content_block).filter(Boolean) : JSON.parse(text).content;
		return blocks.filter((b) => b.type === 'tool_use').map(({ id, name }) => ({ id, name }));
	}
	const calls = set.stream ? events(text).flatMap((e) => e.choices[0]?.delta.tool_calls || []).filter((c) => c.id)
		: JSON.parse(text).choices[0].message.tool_calls || [];
	return calls.map((c) => ({ id: c.id, name: c.function.name }));
}

function run(argv) {
	const r = spawnSync(argv[0], argv.slice(1), { encoding: 'utf8', timeout: 20000 });
	const code = r.error ? 126 : r.signal ? 128 + os.constants.signals[r.signal] : r.status;
	return { code, out: r.stdout || '' };
}

function heard(call, said) {
	if (claude) {
		messages.push({ role: 'assistant', content: [{ type: 'tool_use', id: call.id, name: call.name, input: {} }] },
			{ role: 'user', content: [{ type: 'tool_result', tool_use_id: call.id, content: said }] });
	} else {
		messages.push({ role: 'assistant', content: null, tool_calls: [{ id: call.id, type: 'function', function: { name: call.name, arguments: '{}' } }] },
			{ role: 'tool', tool_call_id: call.id, content: said });
	}
}

async function main() {
	for (;;) {
		const body = { model: set.model, messages, tools, stream: !!set.stream, ...(claude ? { max_tokens: 64 } : {}) };
		const calls = asked(await (set.curl ? viaCurl : viaNode)(JSON.stringify(body)));
		if (!calls.length) return;
		if (set.pause_ms) await new Promise((done) => setTimeout(done, set.pause_ms));
		for (const call of calls) {
			const ran = set.tools[call.name].map(run);
			say({ tool: call.name, id: call.id, ran });
			heard(call, ran.map((r) => r.out).join('') || 'nothing');
		}
	}
}

main().then(() => say({ done: true, pid: process.pid }), (e) => say({ done: true, pid: process.pid, error: String(e.stack || e).slice(0, 600) }));

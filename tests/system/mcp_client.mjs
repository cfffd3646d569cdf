// SPDX-License-Identifier: Apache-2.0
// An agent in small, for node, Bun and Deno: asks a model for a tool, calls it at a server of the
// Model Context Protocol with the protocol's own SDK, and says what it sent. Settings as JSON in
// MCP_TEST: {modules, ca, port, host, transport: "stdio" | "http" | "sse", command, args, url, calls:
// [{tool, arguments, offer?}], wait_ms, late}. The model is asked through curl when `curl` is set.
// Prints one JSON line per message sent to the server: {method, id, bytes, tool, arguments_bytes,
// arguments_sha256, tool_use}, at the end {"done": true, "pid", "error"?}.
import { createHash } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import https from 'node:https';
import process from 'node:process';
import { pathToFileURL } from 'node:url';

const set = JSON.parse(process.env.MCP_TEST);
const sdk = (file) => import(pathToFileURL(`${set.modules}/@modelcontextprotocol/sdk/dist/esm/client/${file}.js`).href);
const say = (line) => console.log(JSON.stringify(line));
const pause = (ms) => new Promise((done) => setTimeout(done, ms));
const sha256 = (text) => createHash('sha256').update(text).digest('hex');
const ca = readFileSync(set.ca);

// One call of the model; the id of the tool it wants, if it was offered one.
function ask(tool) {
	const body = { model: set.model, messages: [{ role: 'user', content: 'go on' }],
		...(tool ? { tools: [{ type: 'function', function: { name: tool, parameters: { type: 'object' } } }] } : {}) };
	const text = JSON.stringify(body);
	return new Promise((done, fail) => {
		const req = https.request({ host: set.host, port: set.port, path: '/v1/chat/completions', method: 'POST', ca,
			lookup: (name, options, cb) => (options.all ? cb(null, [{ address: '127.0.0.1', family: 4 }]) : cb(null, '127.0.0.1', 4)),
			headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) } }, (answer) => {
			const parts = [];
			answer.on('data', (d) => parts.push(d));
			answer.on('end', () => done(JSON.parse(Buffer.concat(parts).toString()).choices[0].message.tool_calls?.[0]?.id));
		});
		req.on('error', fail);
		req.end(text);
	});
}

// The same through a process of our own, where the runtime's TLS is not the point.
function askCurl(tool) {
	const body = { model: set.model, messages: [{ role: 'user', content: 'go on' }],
		...(tool ? { tools: [{ type: 'function', function: { name: tool, parameters: { type: 'object' } } }] } : {}) };
	const out = execFileSync('/usr/bin/curl', ['-sS', '--cacert', set.ca, '--resolve', `${set.host}:${set.port}:127.0.0.1`,
		'-H', 'content-type: application/json', '-d', JSON.stringify(body), `https://${set.host}:${set.port}/v1/chat/completions`]);
	return JSON.parse(out).choices[0].message.tool_calls?.[0]?.id;
}

async function transport() {
	if (set.transport === 'http') return new (await sdk('streamableHttp')).StreamableHTTPClientTransport(new URL(set.url));
	if (set.transport === 'sse') return new (await sdk('sse')).SSEClientTransport(new URL(set.url));
	const { StdioClientTransport } = await sdk('stdio');
	return new StdioClientTransport({ command: set.command, args: set.args, stderr: 'ignore' });
}

let toolUse;
function tap(t) {
	const send = t.send.bind(t);
	t.send = (message, ...more) => {
		const text = JSON.stringify(message), args = message.params?.arguments;
		const given = args === undefined ? null : JSON.stringify(args);
		say({ method: message.method, id: message.id ?? null, bytes: Buffer.byteLength(text), tool: message.params?.name,
			arguments_bytes: given === null ? 0 : Buffer.byteLength(given), arguments_sha256: given === null ? null : sha256(given),
			tool_use: message.method === 'tools/call' ? toolUse : undefined });
		return send(message, ...more);
	};
	return t;
}

async function main() {
	const model = set.curl ? askCurl : ask;
	const { Client } = await sdk('index');
	const client = new Client({ name: 'probity-test-client', version: '1.0.0' });
	if (!set.late) {
		await model();
		await pause(set.wait_ms);
	}
	await client.connect(tap(await transport()));
	if (set.late) {
		await client.listTools();
		await model();
		await pause(set.wait_ms);
	}
	const { tools } = await client.listTools();
	say({ tools: tools.map((t) => t.name) });
	for (const call of set.calls) {
		toolUse = await model(call.offer || call.tool);
		await client.callTool({ name: call.tool, arguments: call.arguments }).catch((e) => say({ refused: String(e.message).slice(0, 80) }));
	}
	await pause(set.after_ms || 100);
	await client.close();
}

main().then(() => say({ done: true, pid: process.pid }), (e) => say({ done: true, pid: process.pid, error: String(e.stack || e).slice(0, 600) }))
	.finally(() => process.exit(0));

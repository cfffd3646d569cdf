// SPDX-License-Identifier: Apache-2.0
// What others' libraries say of our views, a JSON result on stdout.
//   export_check.cjs MODULES otlp FILE         lines of OTLP JSON through OpenTelemetry's own messages
//   export_check.cjs MODULES receive           an OTLP/HTTP receiver: says its port, then each request
//   export_check.cjs MODULES cloudevents FILE  each line through the CloudEvents SDK, strict
//   export_check.cjs MODULES ocsf FILE SCHEMA  each line against our JSON Schema of the classes we use
'use strict';
const fs = require('fs');
const http = require('http');
const path = require('path');

const [modules, what, file, schema] = process.argv.slice(2);
const load = (name) => require(path.join(modules, name));
const lines = () => fs.readFileSync(file, 'utf8').split('\n').filter(Boolean).map((l) => JSON.parse(l));
const say = (o) => process.stdout.write(JSON.stringify(o) + '\n');

const IDS = new Set(['traceId', 'spanId', 'parentSpanId']);

// OTLP's JSON has ids in hex, protobuf's in base 64.
function ids(o, encode) {
	if (Array.isArray(o)) return o.map((v) => ids(v, encode));
	if (!o || typeof o !== 'object') return o;
	return Object.fromEntries(Object.entries(o).map(([k, v]) =>
		[k, IDS.has(k) ? encode(v) : ids(v, encode)]));
}

const toBytes = (v) => Buffer.from(v, 'hex').toString('base64');
const toHex = (v) => Buffer.from(v, 'base64').toString('hex');

// Through the real message: JSON, bytes on the wire, JSON. What it does not know or cannot hold is gone then.
function through(o) {
	const v1 = load('@opentelemetry/otlp-transformer/build/src/generated/root').opentelemetry.proto.collector;
	const Type = o.resourceLogs ? v1.logs.v1.ExportLogsServiceRequest : v1.trace.v1.ExportTraceServiceRequest;
	const bytes = Type.encode(Type.fromObject(ids(o, toBytes))).finish();
	const back = Type.toObject(Type.decode(bytes), { longs: String, bytes: String });
	return ids(JSON.parse(JSON.stringify(back)), toHex);
}

// The first place where they differ; eventName came after this version of the messages.
function differs(a, b, at) {
	if (typeof a !== 'object' || a === null) return a === b ? null : `${at}: ${JSON.stringify(a)} is ${JSON.stringify(b)}`;
	for (const k of Object.keys(a)) {
		if (k === 'eventName') continue;
		if (b === undefined || b === null || !(k in b)) return `${at}.${k}: gone`;
		const d = differs(a[k], b[k], `${at}.${k}`);
		if (d) return d;
	}
	return null;
}

function count(o) {
	const r = (o.resourceLogs || o.resourceSpans)[0];
	const s = (r.scopeLogs || r.scopeSpans)[0];
	return { logs: (s.logRecords || []).length, spans: (s.spans || []).length,
		schema: [r.schemaUrl, s.schemaUrl], items: s.logRecords || s.spans,
		resource: Object.fromEntries(r.resource.attributes.map((a) => [a.key, a.value.stringValue])) };
}

const run = {
	otlp() {
		for (const o of lines()) say({ differs: differs(o, through(o), ''), ...count(o) });
	},
	cloudevents() {
		const { CloudEvent } = load('cloudevents');
		for (const o of lines()) {
			try {
				const e = new CloudEvent(o, true);
				say({ ok: e.validate(), id: e.id, source: e.source, type: e.type, time: e.time, seq: e.data.seq });
			} catch (err) {
				say({ ok: false, why: String(err.message), errors: err.errors });
			}
		}
	},
	ocsf() {
		const Ajv = load('ajv/dist/2020').default;
		const check = new Ajv({ allErrors: true, strict: false }).compile(JSON.parse(fs.readFileSync(schema, 'utf8')));
		for (const o of lines()) say({ ok: check(o), errors: (check.errors || []).slice(0, 5), class: o.class_uid });
	},
	receive() {
		let n = 0;
		const server = http.createServer((q, a) => {
			const chunks = [];
			q.on('data', (c) => chunks.push(c));
			q.on('end', () => {
				n++;
				if (n === 1) { // busy once: it has to come again
					a.writeHead(503, { 'retry-after': '1' });
					a.end();
					say({ busy: true });
					return;
				}
				const o = JSON.parse(Buffer.concat(chunks));
				say({ url: q.url, type: q.headers['content-type'], key: q.headers['x-key'],
					differs: differs(o, through(o), ''), ...count(o), items: undefined });
				a.writeHead(200, { 'content-type': 'application/json' });
				a.end(q.url === '/v1/traces' ? '{"partialSuccess":{"rejectedSpans":"2"}}' : '{"partialSuccess":{}}');
			});
		});
		server.listen(0, '127.0.0.1', () => say({ port: server.address().port }));
	},
};
run[what]();

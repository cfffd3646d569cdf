// SPDX-License-Identifier: Apache-2.0
// WebSocket of the fake AI service: OpenAI Responses (…/responses), Realtime (…/realtime) and Gemini
// Live (…BidiGenerateContent). One client message that asks is one turn, and one log line of the form
// fakellm.js writes, with received.wire "websocket", received.turn counted from 1, and said_sha256 of all
// messages of the turn, one after the other.
//
// attach(server, settings, log, answerOf) answers upgrades. settings.ws: "deflate" (permessage-deflate
// is accepted when offered; default), "plain" (never), "refuse" (426, as a proxy would).
'use strict';
const crypto = require('crypto');
const { WebSocketServer } = require('ws');

const sha256 = (buf) => crypto.createHash('sha256').update(buf).digest('hex');
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

// Which dialect a path speaks, and whether a message of the client asks for an answer.
const ROUTES = [
	{ at: /\/responses$/, dialect: 'openai_responses', asks: (m) => m.type === 'response.create' },
	{ at: /\/realtime$/, dialect: 'openai_realtime_ws', asks: (m) => m.type === 'response.create' },
	{ at: /BidiGenerateContent$/, dialect: 'gemini_live_ws', asks: (m) => !!(m.clientContent && m.clientContent.turnComplete) },
];

function turns(route, socket, req, { path, model, settings, log, answerOf, conn }) {
	let turn = 0, chain = Promise.resolve(), said = [];
	const state = { model };
	const say = async (parts) => {
		for (const p of parts) {
			await sleep(settings.delay);
			if (socket.readyState !== 1) return false;
			socket.send(JSON.stringify(p));
		}
		return true;
	};
	const onMessage = async (data) => {
		let m;
		said.push(data);
		try {
			m = JSON.parse(data.toString());
		} catch (e) {
			return socket.close(1007);
		}
		if (m.setup) { // Gemini Live says its model once
			state.model = String(m.setup.model || '').replace(/^models\//, '') || state.model;
			return say([{ setupComplete: {} }]);
		}
		if (m.type === 'session.update' && m.session) {
			state.model = m.session.model || state.model;
			return say([{ type: 'session.updated', event_id: 'event_fake', session: m.session }]);
		}
		if (!route.asks(m)) return undefined;
		state.model = m.model || (m.response && m.response.model) || state.model;
		const given = answerOf(route.dialect, { ...m, model: state.model });
		const whole = await say(given.parts);
		log({ event: 'request', conn: conn.id, port: conn.port,
			received: { method: 'GET', path, http: '1.1', wire: 'websocket', turn: ++turn, host: req.headers.host || null,
				user_agent: req.headers['user-agent'] || null, whole: true, wire_bytes: data.length, body_bytes: data.length,
				body_sha256: sha256(data), said_sha256: sha256(Buffer.concat(said.splice(0))), dialect: route.dialect, model: state.model, stream: true, tools: given.tools,
				deflate: !!socket.extensions, messages: Array.isArray(m.input) ? m.input.length : null },
			answered: { status: 101, aborted: !whole, ...given.said } });
		return undefined;
	};
	if (route.dialect === 'openai_realtime_ws')
		say([{ type: 'session.created', event_id: 'event_fake', session: { id: 'sess_fake', object: 'realtime.session', model } }]);
	socket.on('message', (data) => { chain = chain.then(() => onMessage(data)).catch((e) => log({ event: 'exception', error: String(e.stack) })); });
	socket.on('error', () => {});
}

function attach(server, settings, log, answerOf) {
	const wss = new WebSocketServer({ noServer: true, perMessageDeflate: settings.ws === 'plain' ? false : { threshold: 0 } });
	server.on('upgrade', (req, socket, head) => {
		const [path, query = ''] = req.url.split('?');
		const route = ROUTES.find((r) => r.at.test(path));
		const conn = socket.fakeConn || {};
		socket.on('error', () => {});
		conn.requests = (conn.requests || 0) + 1;
		log({ event: 'upgrade', conn: conn.id, port: conn.port, path, accepted: !!route && settings.ws !== 'refuse',
			offered: req.headers['sec-websocket-extensions'] || null, user_agent: req.headers['user-agent'] || null });
		if (!route || settings.ws === 'refuse') {
			socket.end(`HTTP/1.1 ${route ? '426 Upgrade Required' : '404 Not Found'}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n`);
			return;
		}
		const model = new URLSearchParams(query).get('model') || 'fake-model';
		wss.handleUpgrade(req, socket, head, (ws) => turns(route, ws, req, { path, model, settings, log, answerOf, conn }));
	});
}

module.exports = { attach };

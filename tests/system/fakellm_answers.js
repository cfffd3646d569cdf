// SPDX-License-Identifier: Apache-2.0
// What the fake AI service says, per wire dialect. Pure: a parsed request in, an answer out.
//
// answer(dialect, request, ctx) gives { form, parts, said }:
//   form   json (one object), sse, ndjson, array (a JSON array sent element by element)
//   parts  json: [object]; sse: [event name or null, object or text]; else [object...]
//   said   what a sealed record must repeat: id, model, finish_reason, tool_calls, usage
//
// The numbers are fixed. In OpenTelemetry's meaning (input includes cached, output includes
// reasoning) every answer that carries usage says: input 120, of it cached 64, of it written to the
// cache 32 (Anthropic only), output 48, of it reasoning 16 (not Anthropic, not Ollama). `usage` in
// `said` holds only what was really on the wire; a number the dialect has no field for is null.
//
// With tools in the request the first one is called, unless the last message is already a tool's
// result; its arguments are streamed in pieces where the dialect does that. With a plan, its steps
// are called one after the other, as far as the conversation in the request has not got there.
'use strict';

const INPUT = 120, CACHED = 64, CACHE_WRITE = 32, OUTPUT = 48, REASONING = 16;
const ARGUMENTS = { city: 'Bern', unit: 'celsius' };
const PIECE = 9;

const pieces = (text) => text.match(new RegExp(`[^]{1,${PIECE}}`, 'g')) || [];
const last = (list) => (Array.isArray(list) && list.length ? list[list.length - 1] : {}) || {};
const list = (x) => (Array.isArray(x) ? x : []);
const created = () => Math.floor(Date.now() / 1000);
const usage = (over) => ({ input: INPUT, output: OUTPUT, cached: null, cache_write: null, reasoning: null, ...over });

// ---- OpenAI chat completions

function chat(req, ctx) {
	const id = `chatcmpl-fake${ctx.n}`;
	const tool = (ctx.plan || last(req.messages).role !== 'tool') && ctx.tools[0];
	const call = tool && { id: `call_fake${ctx.n}`, name: tool };
	const wire = {
		prompt_tokens: INPUT, completion_tokens: OUTPUT, total_tokens: INPUT + OUTPUT,
		prompt_tokens_details: { cached_tokens: CACHED, audio_tokens: 0 },
		completion_tokens_details: { reasoning_tokens: REASONING, audio_tokens: 0 },
	};
	const finish = call ? 'tool_calls' : 'stop';
	const told = !req.stream || !!(req.stream_options && req.stream_options.include_usage);
	const said = {
		id, model: ctx.model, finish_reason: finish, tool_calls: call ? [call] : [],
		usage: told ? usage({ cached: CACHED, reasoning: REASONING }) : null,
	};
	if (!req.stream) {
		const fn = call && { name: call.name, arguments: JSON.stringify(ctx.arguments) };
		const message = call
			? { role: 'assistant', content: null, tool_calls: [{ id: call.id, type: 'function', function: fn }] }
			: { role: 'assistant', content: ctx.text, refusal: null };
		return { form: 'json', said, parts: [{
			id, object: 'chat.completion', created: created(), model: ctx.model,
			choices: [{ index: 0, message, logprobs: null, finish_reason: finish }], usage: wire,
		}] };
	}
	const chunk = (delta, finish_reason) => [null, {
		id, object: 'chat.completion.chunk', created: created(), model: ctx.model,
		choices: [{ index: 0, delta, finish_reason }], ...(told ? { usage: null } : {}),
	}];
	const parts = [chunk({ role: 'assistant', content: call ? null : '' }, null)];
	const args = (fn, head) => chunk({ tool_calls: [{ index: 0, ...head, function: fn }] }, null);
	if (call) {
		parts.push(args({ name: call.name, arguments: '' }, { id: call.id, type: 'function' }));
		for (const p of pieces(JSON.stringify(ctx.arguments))) parts.push(args({ arguments: p }, {}));
	} else {
		for (const p of pieces(ctx.text)) parts.push(chunk({ content: p }, null));
	}
	parts.push(chunk({}, finish));
	if (told) parts.push([null, { ...parts[0][1], choices: [], usage: wire }]);
	parts.push([null, '[DONE]']);
	return { form: 'sse', said, parts };
}

// ---- OpenAI responses

function responses(req, ctx) {
	const id = `resp_fake${ctx.n}`;
	const tool = (ctx.plan || last(req.input).type !== 'function_call_output') && ctx.tools[0];
	const call = tool && { id: `call_fake${ctx.n}`, name: tool };
	const text = (t) => ({ type: 'output_text', text: t, annotations: [] });
	const item = (status, content) => call
		? { id: `fc_fake${ctx.n}`, type: 'function_call', status, call_id: call.id, name: call.name,
			...(ctx.group ? { namespace: ctx.group } : {}), arguments: content }
		: { id: `msg_fake${ctx.n}`, type: 'message', status, role: 'assistant', content };
	const whole = call ? JSON.stringify(ctx.arguments) : [text(ctx.text)];
	const object = (status) => ({
		id, object: 'response', created_at: created(), status, error: null, incomplete_details: null,
		instructions: null, metadata: {}, model: ctx.model, parallel_tool_calls: true,
		previous_response_id: null, temperature: 1, tool_choice: 'auto', tools: list(req.tools), top_p: 1,
		output: status === 'completed' ? [item('completed', whole)] : [],
		usage: status !== 'completed' ? null : {
			input_tokens: INPUT, input_tokens_details: { cached_tokens: CACHED }, output_tokens: OUTPUT,
			output_tokens_details: { reasoning_tokens: REASONING }, total_tokens: INPUT + OUTPUT,
		},
	});
	const said = {
		id, model: ctx.model, finish_reason: 'completed', tool_calls: call ? [call] : [],
		usage: usage({ cached: CACHED, reasoning: REASONING }),
	};
	if (!req.stream) return { form: 'json', said, parts: [object('completed')] };
	const parts = [];
	const at = { item_id: item().id, output_index: 0 };
	const event = (type, body) => parts.push([type, { type, sequence_number: parts.length, ...body }]);
	event('response.created', { response: object('in_progress') });
	event('response.in_progress', { response: object('in_progress') });
	event('response.output_item.added', { output_index: 0, item: item('in_progress', call ? '' : []) });
	if (call) {
		for (const p of pieces(whole)) event('response.function_call_arguments.delta', { ...at, delta: p });
		event('response.function_call_arguments.done', { ...at, name: call.name, arguments: whole });
	} else {
		const part = { ...at, content_index: 0 };
		event('response.content_part.added', { ...part, part: text('') });
		for (const p of pieces(ctx.text)) event('response.output_text.delta', { ...part, delta: p, logprobs: [] });
		event('response.output_text.done', { ...part, text: ctx.text, logprobs: [] });
		event('response.content_part.done', { ...part, part: text(ctx.text) });
	}
	event('response.output_item.done', { output_index: 0, item: item('completed', whole) });
	event('response.completed', { response: object('completed') });
	return { form: 'sse', said, parts };
}

// ---- Anthropic messages: input_tokens excludes what came from or went to the cache

function messages(req, ctx) {
	const id = `msg_fake${ctx.n}`;
	const answered = list(last(req.messages).content).some((c) => c.type === 'tool_result');
	const tool = (ctx.plan || !answered) && ctx.tools[0];
	const call = tool && { id: `toolu_fake${ctx.n}`, name: tool };
	const stop = call ? 'tool_use' : 'end_turn';
	const wire = {
		input_tokens: INPUT - CACHED - CACHE_WRITE, cache_creation_input_tokens: CACHE_WRITE,
		cache_read_input_tokens: CACHED, output_tokens: OUTPUT,
	};
	const block = (full) => call
		? { type: 'tool_use', id: call.id, name: call.name, input: full ? ctx.arguments : {} }
		: { type: 'text', text: full ? ctx.text : '' };
	const message = (content, stop_reason, u) =>
		({ id, type: 'message', role: 'assistant', model: ctx.model, content, stop_reason, stop_sequence: null, usage: u });
	const said = {
		id, model: ctx.model, finish_reason: stop, tool_calls: call ? [call] : [],
		usage: usage({ cached: CACHED, cache_write: CACHE_WRITE }),
	};
	if (!req.stream) return { form: 'json', said, parts: [message([block(true)], stop, wire)] };
	const parts = [];
	const event = (type, body) => parts.push([type, { type, ...body }]);
	event('message_start', { message: message([], null, { ...wire, output_tokens: 1 }) });
	event('content_block_start', { index: 0, content_block: block(false) });
	event('ping', {});
	for (const p of pieces(call ? JSON.stringify(ctx.arguments) : ctx.text)) {
		const delta = call ? { type: 'input_json_delta', partial_json: p } : { type: 'text_delta', text: p };
		event('content_block_delta', { index: 0, delta });
	}
	event('content_block_stop', { index: 0 });
	event('message_delta', { delta: { stop_reason: stop, stop_sequence: null }, usage: { output_tokens: OUTPUT } });
	event('message_stop', {});
	return { form: 'sse', said, parts };
}

// ---- Gemini: candidatesTokenCount excludes thoughts; a function call comes whole, without an id

function gemini(req, ctx) {
	const id = `gemini-fake${ctx.n}`;
	const answered = list(last(req.contents).parts).some((p) => p.functionResponse);
	const tool = (ctx.plan || !answered) && ctx.tools[0];
	const wire = {
		promptTokenCount: INPUT, cachedContentTokenCount: CACHED, candidatesTokenCount: OUTPUT - REASONING,
		thoughtsTokenCount: REASONING, totalTokenCount: INPUT + OUTPUT,
	};
	const object = (part, final) => ({
		candidates: [{ content: { parts: [part], role: 'model' }, index: 0, ...(final ? { finishReason: 'STOP' } : {}) }],
		usageMetadata: final ? wire : { promptTokenCount: INPUT, totalTokenCount: INPUT },
		modelVersion: ctx.model, responseId: id,
	});
	const said = {
		id, model: ctx.model, finish_reason: 'STOP', tool_calls: tool ? [{ id: null, name: tool }] : [],
		usage: usage({ cached: CACHED, reasoning: REASONING }),
	};
	const whole = tool ? { functionCall: { name: tool, args: ctx.arguments } } : { text: ctx.text };
	if (!req.stream) return { form: 'json', said, parts: [object(whole, true)] };
	const texts = tool ? [whole] : pieces(ctx.text).map((text) => ({ text }));
	const parts = texts.map((p, i) => object(p, i === texts.length - 1));
	return ctx.sse ? { form: 'sse', said, parts: parts.map((p) => [null, p]) } : { form: 'array', said, parts };
}

// ---- Ollama: streams unless told not to; no ids; a tool call comes whole

function ollama(req, ctx) {
	const tool = !ctx.generate && (ctx.plan || last(req.messages).role !== 'tool') && ctx.tools[0];
	const object = (text, calls, done) => ({
		model: ctx.model, created_at: new Date().toISOString(),
		...(ctx.generate ? { response: text } : { message: { role: 'assistant', content: text, ...calls } }),
		done,
		...(done ? { done_reason: 'stop', total_duration: 4e8, load_duration: 1e8, prompt_eval_count: INPUT,
			prompt_eval_duration: 1e8, eval_count: OUTPUT, eval_duration: 2e8 } : {}),
	});
	const calls = tool ? { tool_calls: [{ function: { name: tool, arguments: ctx.arguments } }] } : {};
	const said = {
		id: null, model: ctx.model, finish_reason: 'stop', usage: usage({}),
		tool_calls: tool ? [{ id: null, name: tool }] : [],
	};
	if (!req.stream) return { form: 'json', said, parts: [object(tool ? '' : ctx.text, calls, true)] };
	const parts = tool ? [object('', calls, false)] : pieces(ctx.text).map((p) => object(p, {}, false));
	return { form: 'ndjson', said, parts: [...parts, object('', {}, true)] };
}

// ---- Which dialect a request speaks, and what it asks for

const ROUTES = [
	[/\/chat\/completions$/, 'openai_chat', chat],
	[/\/responses$/, 'openai_responses', responses],
	[/\/messages$/, 'anthropic_messages', messages],
	[/\/models\/[^/]+:(generate|streamGenerate)Content$/, 'gemini', gemini],
	[/^\/api\/(chat|generate)$/, 'ollama', ollama],
];

function toolNames(dialect, req) {
	const flat = dialect === 'gemini'
		? list(req.tools).flatMap((t) => list(t.functionDeclarations || t.function_declarations))
		: list(req.tools).flatMap((t) => (t.type === 'namespace' ? list(t.tools) : [t.function || t]));
	return flat.map((t) => t.name).filter(Boolean);
}

// The same with the names of the groups some clients put tools in: [{ name, group, full }].
function offered(dialect, req) {
	const groups = list(req.tools).filter((t) => t.type === 'namespace');
	const inner = groups.flatMap((g) => list(g.tools).map((t) => ({ name: t.name, group: g.name, full: `${g.name}.${t.name}` })));
	const alone = toolNames(dialect, { tools: list(req.tools).filter((t) => t.type !== 'namespace') });
	return [...inner, ...alone.map((name) => ({ name, full: name }))];
}

// The names of the tools that were called in a conversation, in order; each dialect's own form.
function called(x, found = []) {
	if (!x || typeof x !== 'object') return found;
	const call = x.functionCall || x.function_call || (x.type === 'tool_use' || x.type === 'function_call' ? x : null) ||
		(x.type === 'function' && x.id ? x.function : null);
	if (call && call.name) found.push(call.namespace ? `${call.namespace}.${call.name}` : call.name);
	else for (const inner of Object.values(x)) called(inner, found);
	return found;
}

// Which of the offered tools may be called, and with what; wish: { pick, arguments }.
function pick(tools, wish) {
	if (!wish || !wish.pick) return tools;
	return wish.pick === 'none' ? [] : tools.filter((t) => new RegExp(wish.pick).test(t));
}
const args = (wish) => (wish && wish.arguments) || ARGUMENTS;

const strings = (x) => (typeof x === 'string' ? [x] : x && typeof x === 'object' ? Object.values(x).flatMap(strings) : []);

// A tool that is only spoken of: clients with many tools offer a search for them in their place. It is
// asked for the tool once; after that the tool may be called.
function search(s, tools, turns) {
	const by = tools.find((t) => /^(ToolSearch|tool_search)/.test(t.name));
	const said = by ? strings(turns) : [];
	const name = (said.join('\n').match(/[\w.:-]{1,128}/g) || []).find((word) => /__/.test(word) && new RegExp(s.tool).test(word));
	if (!name) return null;
	const query = `select:${name}`;
	return said.includes(query) ? { name } : { name: by.name, arguments: { query, max_results: 5 } };
}

// The next step of a plan, [{ tool, arguments }] with tool an expression on a tool's name: the first
// one that the conversation has not called and that can be.
function step(plan, tools, turns) {
	const before = called(turns);
	for (const s of plan.filter((p) => !before.some((name) => new RegExp(p.tool).test(name)))) {
		const tool = tools.find((t) => new RegExp(s.tool).test(t.full)) || search(s, tools, turns);
		if (tool) return { tools: [tool.name], group: tool.group, arguments: tool.arguments || s.arguments };
	}
	return { tools: [] };
}

// path without query; body: the parsed JSON. null when it is none of the dialects.
function understand(path, query, body) {
	const route = ROUTES.find(([re]) => re.test(path));
	if (!route) return null;
	const dialect = route[1];
	const stream = dialect === 'gemini' ? /:stream/.test(path)
		: dialect === 'ollama' ? body.stream !== false : body.stream === true;
	const named = dialect === 'gemini' ? path.match(/models\/([^/:]+):/)[1] : body.model;
	const turns = body.messages || body.contents || body.input;
	return {
		dialect, stream, speak: route[2], model: named || null, tools: toolNames(dialect, body),
		messages: Array.isArray(turns) ? turns.length : null, turns,
		sse: /(^|&)alt=sse(&|$)/.test(query), generate: path === '/api/generate',
	};
}

function answer(asked, body, n, text, wish) {
	// Services answer with a dated name of the model that was asked for; so does this one.
	const model = asked.dialect === 'ollama' ? asked.model : `${asked.model}-2026-01-01`;
	const next = wish && wish.plan ? step(wish.plan, offered(asked.dialect, body), asked.turns)
		: { tools: pick(asked.tools, wish), arguments: args(wish) };
	const ctx = { n, text, model, ...next, plan: !!(wish && wish.plan), sse: asked.sse, generate: asked.generate };
	const given = asked.speak({ ...body, stream: asked.stream }, ctx);
	if (ctx.plan) given.said.tool_calls = given.said.tool_calls.map((t) => ({ ...t, arguments: ctx.arguments }));
	return given;
}

// ---- Errors, each in the shape of its service

const ERRORS = {
	400: ['invalid_request_error', 'invalid_request_error', 'INVALID_ARGUMENT'],
	401: ['invalid_request_error', 'authentication_error', 'UNAUTHENTICATED'],
	429: ['rate_limit_exceeded', 'rate_limit_error', 'RESOURCE_EXHAUSTED'],
	500: ['server_error', 'api_error', 'INTERNAL'],
	503: ['server_error', 'overloaded_error', 'UNAVAILABLE'],
};

// { status, body, type } for the model name "error-429" and its like, else null.
function error(asked) {
	const m = /^error-(\d{3})$/.exec(asked.model || '');
	if (!m || !ERRORS[m[1]]) return null;
	const [openai, anthropic, google] = ERRORS[m[1]];
	const status = Number(m[1]), message = `the fake service was asked for status ${status}`;
	if (asked.dialect === 'anthropic_messages')
		return { status, type: anthropic, body: { type: 'error', error: { type: anthropic, message }, request_id: 'req_fake' } };
	if (asked.dialect === 'gemini')
		return { status, type: google, body: { error: { code: status, message, status: google } } };
	if (asked.dialect === 'ollama') return { status, type: null, body: { error: message } };
	return { status, type: openai, body: { error: { message, type: openai, param: null, code: openai } } };
}

// A turn over WebSocket: the messages of the server, and what was said by them.
function spoken(dialect, m, n, text, wish) {
	const model = `${m.model}-2026-01-01`, tools = toolNames(dialect, m);
	const ctx = { n, text, model, tools: pick(tools, wish), arguments: args(wish) };
	if (dialect === 'openai_responses') {
		const given = responses({ ...m, stream: true }, ctx);
		return { tools, said: given.said, parts: given.parts.map(([, p]) => p) };
	}
	return { tools, ...(dialect === 'openai_realtime_ws' ? realtime : live)(m, ctx) };
}

// ---- OpenAI Realtime: usage is told with each response.done

function realtime(m, ctx) {
	const id = `resp_fake${ctx.n}`, item = { id: `item_fake${ctx.n}`, object: 'realtime.item', type: 'message', role: 'assistant' };
	const object = (status, output, u) => ({ id, object: 'realtime.response', status, output, ...(u ? { usage: u } : {}) });
	const wire = {
		total_tokens: INPUT + OUTPUT, input_tokens: INPUT, output_tokens: OUTPUT,
		input_token_details: { cached_tokens: CACHED, text_tokens: INPUT, audio_tokens: 0 },
		output_token_details: { text_tokens: OUTPUT, audio_tokens: 0 },
	};
	const part = { response_id: id, item_id: item.id, output_index: 0, content_index: 0 };
	const parts = [{ type: 'response.created', response: object('in_progress', []) },
		{ type: 'response.output_item.added', response_id: id, output_index: 0, item: { ...item, status: 'in_progress', content: [] } }];
	for (const p of pieces(ctx.text)) parts.push({ type: 'response.output_text.delta', ...part, delta: p });
	parts.push({ type: 'response.output_text.done', ...part, text: ctx.text });
	parts.push({ type: 'response.done', response: object('completed',
		[{ ...item, status: 'completed', content: [{ type: 'output_text', text: ctx.text }] }], wire) });
	return { parts, said: { id, model: null, finish_reason: null, tool_calls: [], usage: usage({ cached: CACHED }) } };
}

// ---- Gemini Live

function live(m, ctx) {
	const parts = pieces(ctx.text).map((text) => ({ serverContent: { modelTurn: { parts: [{ text }] } } }));
	parts.push({ serverContent: { generationComplete: true } });
	parts.push({ serverContent: { turnComplete: true },
		usageMetadata: { promptTokenCount: INPUT, responseTokenCount: OUTPUT, totalTokenCount: INPUT + OUTPUT } });
	return { parts, said: { id: null, model: null, finish_reason: null, tool_calls: [], usage: usage({}) } };
}

module.exports = { understand, answer, error, spoken };

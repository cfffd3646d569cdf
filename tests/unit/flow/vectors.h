/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exchanges in the shapes of the real services, and the facts each must give, however it is
 * framed, coded and cut into chunks.
 */
#ifndef PROBITY_TESTS_FLOW_VECTORS_H
#define PROBITY_TESTS_FLOW_VECTORS_H

#include <stdio.h>

#include "flow/flow.h"
#include "pack.h"

struct vector {
	const char *name, *path, *request;
	unsigned status;
	const char *type, *answer;
	/* facts */
	enum dialect dialect;
	const char *request_model, *response_model, *finish, *tool, *error;
	int64_t input, output;
	bool stream;
};

#define CHAT_CHUNK(delta, finish)                                                                    \
	"data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":" \
	"\"gpt-4o-mini-2024-07-18\",\"choices\":[{\"index\":0,\"delta\":" delta                      \
	",\"finish_reason\":" finish "}]}\n\n"

static const struct vector vectors[] = {
	{
		.name = "openai chat",
		.path = "/v1/chat/completions",
		.request =
			"{\"model\":\"gpt-4o-mini\",\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}",
		.status = 200,
		.type = "application/json",
		.answer =
			"{\n  \"id\": \"chatcmpl-1\",\n  \"object\": \"chat.completion\",\n  \"model\": "
			"\"gpt-4o-mini-2024-07-18\",\n  \"choices\": [{\"index\": 0, \"message\": {\"role\": "
			"\"assistant\", \"content\": \"Hello!\"}, \"finish_reason\": \"stop\"}],\n  \"usage\": "
			"{\"prompt_tokens\": 8, \"completion_tokens\": 9, \"total_tokens\": 17}\n}\n",
		.dialect = DIALECT_OPENAI_CHAT,
		.request_model = "gpt-4o-mini",
		.response_model = "gpt-4o-mini-2024-07-18",
		.finish = "stop",
		.tool = "",
		.error = "",
		.input = 8,
		.output = 9,
	},
	{
		.name = "openai chat stream",
		.path = "/v1/chat/completions",
		.request =
			"{\"model\":\"gpt-4o-mini\",\"stream\":true,\"stream_options\":{\"include_usage\":"
			"true},\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}],\"tools\":[{\"type\":"
			"\"function\",\"function\":{\"name\":\"get_weather\"}}]}",
		.status = 200,
		.type = "text/event-stream; charset=utf-8",
		.answer = CHAT_CHUNK(
			"{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"index\":0,"
			"\"id\":\"call_1\",\"type\":\"function\",\"function\":{\"name\":"
			"\"get_weather\",\"arguments\":\"\"}}]}",
			"null") CHAT_CHUNK("{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"{\\\"c\\\"\"}}]}",
					   "null")
			CHAT_CHUNK(
				"{}",
				"\"tool_calls\"") "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1,"
						  "\"model\":\"gpt-4o-mini-2024-07-18\",\"choices\":[],\"usage\":{\"prompt_tokens\":80,"
						  "\"completion_tokens\":15,\"total_tokens\":95}}\n\ndata: [DONE]\n\n",
		.dialect = DIALECT_OPENAI_CHAT,
		.request_model = "gpt-4o-mini",
		.response_model = "gpt-4o-mini-2024-07-18",
		.finish = "tool_calls",
		.tool = "get_weather",
		.error = "",
		.input = 80,
		.output = 15,
		.stream = true,
	},
	{
		.name = "openai error",
		.path = "/v1/chat/completions",
		.request =
			"{\"model\":\"gpt-4o-mini\",\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}",
		.status = 429,
		.type = "application/json",
		.answer =
			"{\"error\":{\"message\":\"Rate limit\",\"type\":\"rate_limit_error\",\"param\":null,"
			"\"code\":null}}",
		.dialect = DIALECT_OPENAI_CHAT,
		.request_model = "gpt-4o-mini",
		.response_model = "",
		.finish = "",
		.tool = "",
		.error = "rate_limit_error",
		.input = -1,
		.output = -1,
	},
	{
		.name = "openai responses",
		.path = "/v1/responses",
		.request = "{\"model\":\"gpt-4.1\",\"input\":\"Hi\"}",
		.status = 200,
		.type = "application/json",
		.answer =
			"{\"id\":\"resp_1\",\"object\":\"response\",\"status\":\"completed\",\"model\":"
			"\"gpt-4.1-2025-04-14\",\"output\":[{\"type\":\"message\",\"id\":\"msg_1\",\"role\":"
			"\"assistant\",\"content\":[{\"type\":\"output_text\",\"text\":\"Hello\"}]}],\"usage\":"
			"{\"input_tokens\":36,\"output_tokens\":87,\"total_tokens\":123}}",
		.dialect = DIALECT_OPENAI_RESPONSES,
		.request_model = "gpt-4.1",
		.response_model = "gpt-4.1-2025-04-14",
		.finish = "completed",
		.tool = "",
		.error = "",
		.input = 36,
		.output = 87,
	},
	{
		.name = "anthropic",
		.path = "/v1/messages",
		.request =
			"{\"model\":\"claude-sonnet-4-5\",\"max_tokens\":1024,\"messages\":[{\"role\":"
			"\"user\",\"content\":\"Hi\"}]}",
		.status = 200,
		.type = "application/json",
		.answer =
			"{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":"
			"\"claude-sonnet-4-5-20250929\",\"content\":[{\"type\":\"text\",\"text\":\"Hello\"},"
			"{\"type\":\"tool_use\",\"id\":\"toolu_1\",\"name\":\"bash\",\"input\":{\"command\":"
			"\"ls\"}}],\"stop_reason\":\"tool_use\",\"usage\":{\"input_tokens\":12,"
			"\"output_tokens\":34}}",
		.dialect = DIALECT_ANTHROPIC_MESSAGES,
		.request_model = "claude-sonnet-4-5",
		.response_model = "claude-sonnet-4-5-20250929",
		.finish = "tool_use",
		.tool = "bash",
		.error = "",
		.input = 12,
		.output = 34,
	},
	{
		.name = "anthropic stream",
		.path = "/v1/messages",
		.request =
			"{\"model\":\"claude-sonnet-4-5\",\"max_tokens\":1024,\"stream\":true,\"messages\":[{"
			"\"role\":\"user\",\"content\":\"Hi\"}]}",
		.status = 200,
		.type = "text/event-stream; charset=utf-8",
		.answer =
			"event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\","
			"\"type\":\"message\",\"role\":\"assistant\",\"model\":\"claude-sonnet-4-5-20250929\","
			"\"content\":[],\"stop_reason\":null,\"usage\":{\"input_tokens\":25,\"output_tokens\":"
			"1}}}\n\nevent: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":"
			"0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\nevent: ping\ndata: {\"type\":"
			"\"ping\"}\n\nevent: content_block_delta\ndata: {\"type\":\"content_block_delta\","
			"\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Hello\"}}\n\nevent: "
			"content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\nevent: "
			"message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":"
			"\"end_turn\",\"stop_sequence\":null},\"usage\":{\"output_tokens\":15}}\n\nevent: "
			"message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
		.dialect = DIALECT_ANTHROPIC_MESSAGES,
		.request_model = "claude-sonnet-4-5",
		.response_model = "claude-sonnet-4-5-20250929",
		.finish = "end_turn",
		.tool = "",
		.error = "",
		.input = 25,
		.output = 15,
		.stream = true,
	},
	{
		.name = "gemini",
		.path = "/v1beta/models/gemini-2.5-flash:generateContent",
		.request = "{\"contents\":[{\"role\":\"user\",\"parts\":[{\"text\":\"Hi\"}]}]}",
		.status = 200,
		.type = "application/json; charset=UTF-8",
		.answer =
			"{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"Hello\"}],\"role\":\"model\"},"
			"\"finishReason\":\"STOP\",\"index\":0}],\"usageMetadata\":{\"promptTokenCount\":4,"
			"\"candidatesTokenCount\":6,\"totalTokenCount\":10},\"modelVersion\":"
			"\"gemini-2.5-flash\",\"responseId\":\"r1\"}",
		.dialect = DIALECT_GEMINI,
		.request_model = "gemini-2.5-flash",
		.response_model = "gemini-2.5-flash",
		.finish = "STOP",
		.tool = "",
		.error = "",
		.input = 4,
		.output = 6,
	},
	{
		.name = "gemini stream",
		.path = "/v1beta/models/gemini-2.5-flash:streamGenerateContent",
		.request = "{\"contents\":[{\"role\":\"user\",\"parts\":[{\"text\":\"Hi\"}]}]}",
		.status = 200,
		.type = "text/event-stream",
		.answer =
			"data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"Hel\"}],\"role\":"
			"\"model\"},\"index\":0}],\"usageMetadata\":{\"promptTokenCount\":4,"
			"\"candidatesTokenCount\":1,\"totalTokenCount\":5},\"modelVersion\":"
			"\"gemini-2.5-flash\"}\r\n\r\ndata: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":"
			"\"lo\"}],\"role\":\"model\"},\"finishReason\":\"STOP\",\"index\":0}],"
			"\"usageMetadata\":{\"promptTokenCount\":4,\"candidatesTokenCount\":6,"
			"\"totalTokenCount\":10},\"modelVersion\":\"gemini-2.5-flash\"}\r\n\r\n",
		.dialect = DIALECT_GEMINI,
		.request_model = "gemini-2.5-flash",
		.response_model = "gemini-2.5-flash",
		.finish = "STOP",
		.tool = "",
		.error = "",
		.input = 4,
		.output = 6,
		.stream = true,
	},
	{
		.name = "ollama",
		.path = "/api/chat",
		.request =
			"{\"model\":\"llama3.2\",\"stream\":false,\"messages\":[{\"role\":\"user\","
			"\"content\":\"Hi\"}]}",
		.status = 200,
		.type = "application/json; charset=utf-8",
		.answer =
			"{\"model\":\"llama3.2\",\"created_at\":\"2025-01-01T00:00:00Z\",\"message\":{\"role\":"
			"\"assistant\",\"content\":\"Hello\"},\"done_reason\":\"stop\",\"done\":true,"
			"\"prompt_eval_count\":26,\"eval_count\":298}",
		.dialect = DIALECT_OLLAMA,
		.request_model = "llama3.2",
		.response_model = "llama3.2",
		.finish = "stop",
		.tool = "",
		.error = "",
		.input = 26,
		.output = 298,
	},
	{
		.name = "ollama stream",
		.path = "/api/chat",
		.request =
			"{\"model\":\"llama3.2\",\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}",
		.status = 200,
		.type = "application/x-ndjson",
		.answer =
			"{\"model\":\"llama3.2\",\"created_at\":\"2025-01-01T00:00:00Z\",\"message\":{\"role\":"
			"\"assistant\",\"content\":\"Hel\"},\"done\":false}\n{\"model\":\"llama3.2\","
			"\"created_at\":\"2025-01-01T00:00:01Z\",\"message\":{\"role\":\"assistant\","
			"\"content\":\"lo\"},\"done\":false}\n{\"model\":\"llama3.2\",\"created_at\":"
			"\"2025-01-01T00:00:02Z\",\"message\":{\"role\":\"assistant\",\"content\":\"\"},"
			"\"done_reason\":\"stop\",\"done\":true,\"prompt_eval_count\":26,\"eval_count\":298}\n",
		.dialect = DIALECT_OLLAMA,
		.request_model = "llama3.2",
		.response_model = "llama3.2",
		.finish = "stop",
		.tool = "",
		.error = "",
		.input = 26,
		.output = 298,
		.stream = true,
	},
};
#define VECTORS (sizeof(vectors) / sizeof(vectors[0]))

/* --- messages on the wire ------------------------------------------------------------------- */

enum framing { BY_LENGTH, BY_CHUNKS, BY_CLOSE };

struct wire {
	uint8_t p[32768];
	size_t n;
};

static inline void wire_add(struct wire *w, const void *p, size_t n)
{
	if (w->n + n > sizeof(w->p))
		abort();
	memcpy(w->p + w->n, p, n);
	w->n += n;
}

static inline void wire_text(struct wire *w, const char *s)
{
	wire_add(w, s, strlen(s));
}

/* head: lines so far, each with its CRLF. coding "" = none. chunk: body bytes per chunk. */
static inline void wire_message(struct wire *w, const char *head, const char *body,
				enum framing framing, const char *coding, size_t chunk)
{
	struct packed b = {(uint8_t *)body, strlen(body)};
	char line[64];

	if (*coding)
		b = pack_one(coding, body, strlen(body));
	wire_text(w, head);
	if (*coding) {
		snprintf(line, sizeof(line), "Content-Encoding: %s\r\n", coding);
		wire_text(w, line);
	}
	if (framing == BY_LENGTH) {
		snprintf(line, sizeof(line), "Content-Length: %zu\r\n\r\n", b.n);
		wire_text(w, line);
		wire_add(w, b.p, b.n);
	} else if (framing == BY_CLOSE) {
		wire_text(w, "Connection: close\r\n\r\n");
		wire_add(w, b.p, b.n);
	} else {
		wire_text(w, "Transfer-Encoding: chunked\r\n\r\n");
		for (size_t at = 0, len; at < b.n; at += len) {
			len = chunk < b.n - at ? chunk : b.n - at;
			snprintf(line, sizeof(line), "%zx\r\n", len);
			wire_text(w, line);
			wire_add(w, b.p + at, len);
			wire_text(w, "\r\n");
		}
		wire_text(w, "0\r\n\r\n");
	}
	if (*coding)
		free(b.p);
}

static inline void wire_request(struct wire *w, const struct vector *v, const char *host,
				enum framing framing, const char *coding)
{
	char head[512];

	snprintf(head, sizeof(head),
		 "POST %s?q=1 HTTP/1.1\r\nHost: %s\r\nUser-Agent: test/1.0\r\nAccept: */*\r\n"
		 "Authorization: Bearer not-a-key\r\nContent-Type: application/json\r\n",
		 v->path, host);
	wire_message(w, head, v->request, framing, coding, 50);
}

static inline void wire_answer(struct wire *w, const struct vector *v, enum framing framing,
			       const char *coding, size_t chunk)
{
	char head[512];

	snprintf(head, sizeof(head), "HTTP/1.1 %u Status\r\nDate: today\r\nContent-Type: %s\r\n",
		 v->status, v->type);
	wire_message(w, head, v->answer, framing, coding, chunk);
}

#endif

// SPDX-License-Identifier: Apache-2.0
/* What is common to all dialects: by path, by shape, documents of two sides, ends, bounds. Long
 * because it is tables.
 *
 * Long because it is mostly rows: cases that share one rig stay in one file.
 */
/* Rows leave out what is false. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

#include "vector.h"

#include <errno.h>
#include <malloc.h>

static void test_paths(void **state)
{
	static const struct {
		const char *method, *path;
		enum dialect d;
	} rows[] = {
		{"POST", "/v1/chat/completions", DIALECT_OPENAI_CHAT},
		{"POST", "/chat/completions", DIALECT_OPENAI_CHAT},
		{"POST", "/v1/chat/completions/", DIALECT_OPENAI_CHAT},
		{"POST", "/openai/deployments/d/chat/completions?api-version=1",
		 DIALECT_OPENAI_CHAT},
		{"GET", "/v1/chat/completions", DIALECT_NONE},
		{"POST", "/v1/chat/completions/x", DIALECT_NONE},
		{"POST", "/v1/completions", DIALECT_OPENAI_COMPLETIONS},
		{"POST", "/v1/responses", DIALECT_OPENAI_RESPONSES},
		{"POST", "/v1/responses/input_tokens", DIALECT_OPENAI_RESPONSES},
		{"GET", "/v1/responses/resp_1", DIALECT_NONE},
		{"POST", "/v1/messages", DIALECT_ANTHROPIC_MESSAGES},
		{"POST", "/v1/messages/count_tokens", DIALECT_ANTHROPIC_MESSAGES},
		{"POST", "/v1/messages/batches", DIALECT_NONE},
		{"POST", "/p/publishers/anthropic/models/c:rawPredict", DIALECT_ANTHROPIC_MESSAGES},
		{"POST", "/p/publishers/google/models/c:rawPredict", DIALECT_NONE},
		{"POST", "/v1beta/models/g:generateContent", DIALECT_GEMINI},
		{"POST", "/v1beta/models/g:streamGenerateContent?alt=sse", DIALECT_GEMINI},
		{"POST", "/v1beta/models/g:countTokens", DIALECT_GEMINI},
		{"POST", "/v1beta/models/g:embedContent", DIALECT_NONE},
		{"POST", "/api/chat", DIALECT_OLLAMA},
		{"POST", "/ollama/api/generate", DIALECT_OLLAMA},
		{"POST", "/api/chatter", DIALECT_NONE},
		{"POST", "/v1/fim/completions", DIALECT_OPENAI_COMPLETIONS},
		{"POST", "/completion", DIALECT_LLAMA_COMPLETION},
		{"POST", "/infill", DIALECT_LLAMA_COMPLETION},
		{"POST", "/v1/embeddings", DIALECT_OPENAI_EMBEDDINGS},
		{"POST", "/api/embeddings", DIALECT_OLLAMA_EMBED},
		{"POST", "/api/embed", DIALECT_OLLAMA_EMBED},
		{"POST", "/embed", DIALECT_NONE},
		{"POST", "/generate", DIALECT_TGI_GENERATE},
		{"POST", "/generate_stream", DIALECT_TGI_GENERATE},
		{"POST", "/api/generate", DIALECT_OLLAMA},
		{"POST", "/v2/chat", DIALECT_COHERE_V2},
		{"POST", "/v1/chat", DIALECT_NONE},
		{"POST", "/v1beta/interactions", DIALECT_GEMINI_INTERACTIONS},
		{"POST", "/v1/predictions", DIALECT_REPLICATE_PREDICTION},
		{"POST", "/v1/models/o/n/predictions", DIALECT_REPLICATE_PREDICTION},
		{"POST", "/v1/models/m:predict", DIALECT_NONE},
		{"POST", "/api/v1/services/aigc/text-generation/generation", DIALECT_DASHSCOPE},
		{"POST", "/ml/v1/text/chat?version=2026-01-01", DIALECT_WATSONX},
		{"POST", "/ml/v1/deployments/d/text/generation_stream", DIALECT_WATSONX},
		{"POST", "/text/chat", DIALECT_NONE},
		{"POST", "/aiserver.v1.ChatService/StreamChat", DIALECT_CONNECT_PROTOBUF},
		{"POST", "/exa.api_server_pb.ApiServerService/GetChatMessage",
		 DIALECT_CONNECT_PROTOBUF},
		{"POST", "/google.pubsub.v1.Publisher/Publish", DIALECT_NONE},
		{"POST", "/", DIALECT_NONE},
		{"POST", "", DIALECT_NONE},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (extract_dialect_by_path(rows[i].method, rows[i].path) != rows[i].d)
			fail_msg("%s", rows[i].path);
}

static struct extract *start(struct interaction *it, const char *path)
{
	struct extract *x;

	interaction_init(it);
	TEXT_SET(it->path, path, strlen(path));
	it->dialect = extract_dialect_by_path("POST", path);
	it->dialect_by_path = it->dialect != DIALECT_NONE;
	x = extract_new(it);
	assert_non_null(x);
	return x;
}

static int feed(struct extract *x, const char *text)
{
	return extract_data(x, guarded(text, strlen(text)), strlen(text), NS);
}

static void document(struct extract *x, enum extract_side side, const char *text)
{
	extract_begin(x, side, NULL);
	assert_int_equal(feed(x, text), 0);
	extract_end(x, false);
}

/* Requests by shape: ordinary JSON must stay ordinary, weak paths need a body, clear bodies win. */
static void test_shapes(void **state)
{
	static const struct {
		const char *path, *body;
		enum dialect d;
		bool by_path;
	} rows[] = {
		/* not AI */
		{"/", "{\"channel\":\"C1\",\"messages\":[{\"text\":\"hi\",\"user\":\"u\"}]}",
		 DIALECT_NONE},
		{"/", "{\"messages\":[{\"role\":\"admin\",\"text\":\"hi\"}]}", DIALECT_NONE},
		{"/", "{\"model\":\"S\",\"make\":\"Tesla\"}", DIALECT_NONE},
		{"/", "{\"model\":\"S\",\"messages\":[]}", DIALECT_NONE},
		{"/", "{\"model\":\"S\",\"messages\":[\"role\"]}", DIALECT_NONE},
		{"/", "{\"model\":\"S\",\"messages\":{\"role\":\"user\"}}", DIALECT_NONE},
		{"/", "{\"model\":5,\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}",
		 DIALECT_NONE},
		{"/", "{\"data\":{\"model\":\"m\",\"messages\":[{\"role\":\"user\"}]}}",
		 DIALECT_NONE},
		{"/", "[{\"model\":\"m\",\"messages\":[{\"role\":\"user\"}]}]", DIALECT_NONE},
		{"/", "{\"model\":\"e\",\"input\":\"embed me\"}", DIALECT_NONE},
		{"/", "{\"model\":\"e\",\"input\":[\"a\",\"b\"],\"encoding_format\":\"float\"}",
		 DIALECT_NONE},
		{"/",
		 "{\"model\":\"tts\",\"input\":\"say\",\"voice\":\"alloy\",\"instructions\":\"i\"}",
		 DIALECT_NONE},
		{"/", "{\"model\":\"om\",\"input\":[{\"type\":\"text\",\"text\":\"x\"}]}",
		 DIALECT_NONE},
		{"/", "{\"contents\":\"x\",\"parts\":[]}", DIALECT_NONE},
		{"/", "{\"contents\":[{\"parts\":\"3\"}]}", DIALECT_NONE},
		{"/", "{\"model\":\"m\",\"prompt\":\"p\"}", DIALECT_NONE},
		/* AI without a known path */
		{"/", "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}",
		 DIALECT_OPENAI_CHAT},
		{"/",
		 "{\"model\":\"m\",\"max_tokens\":9,\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}",
		 DIALECT_OPENAI_CHAT},
		{"/",
		 "{\"model\":\"m\",\"max_tokens\":9,\"system\":\"s\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}",
		 DIALECT_ANTHROPIC_MESSAGES},
		{"/",
		 "{\"model\":\"m\",\"max_tokens\":9,\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"tools\":[{\"name\":\"t\",\"input_schema\":{}}]}",
		 DIALECT_ANTHROPIC_MESSAGES},
		{"/",
		 "{\"model\":\"m\",\"max_tokens\":9,\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"tools\":[{\"function\":{\"name\":\"t\"}}]}",
		 DIALECT_OPENAI_CHAT},
		{"/", "{\"model\":\"m\",\"input\":[{\"role\":\"user\",\"content\":\"x\"}]}",
		 DIALECT_OPENAI_RESPONSES},
		{"/", "{\"model\":\"m\",\"input\":\"x\",\"instructions\":\"i\"}",
		 DIALECT_OPENAI_RESPONSES},
		{"/", "{\"contents\":[{\"parts\":[{\"text\":\"x\"}]}]}", DIALECT_GEMINI},
		/* weak paths */
		{"/api/messages", "{\"channel\":\"C1\",\"messages\":[{\"text\":\"hi\"}]}",
		 DIALECT_ANTHROPIC_MESSAGES, true},
		{"/survey/responses", "{\"answers\":[1,2]}", DIALECT_OPENAI_RESPONSES, true},
		{"/survey/responses", "{\"input\":\"yes\"}", DIALECT_OPENAI_RESPONSES, true},
		{"/v1/responses", "{\"prompt\":{\"id\":\"p\"},\"input\":\"yes\"}",
		 DIALECT_OPENAI_RESPONSES, false},
		{"/v1/responses", "{\"prompt\":{\"id\":\"p\"},\"model\":\"m\"}",
		 DIALECT_OPENAI_RESPONSES, false},
		{"/api/chat", "{\"id\":\"1\",\"messages\":[{\"role\":\"user\",\"parts\":[]}]}",
		 DIALECT_OLLAMA, true},
		{"/api/chat", "{\"model\":\"m\",\"messages\":[{\"role\":\"user\"}]}",
		 DIALECT_OLLAMA, false},
		{"/api/generate", "{\"model\":\"m\"}", DIALECT_OLLAMA, false},
		{"/v1/messages", "{\"model\":\"m\",\"messages\":[{\"role\":\"user\"}]}",
		 DIALECT_ANTHROPIC_MESSAGES, false},
		/* the body knows better than a weak path */
		{"/v1/messages", "{\"model\":\"m\",\"messages\":[{\"role\":\"developer\"}]}",
		 DIALECT_OPENAI_CHAT, false},
		{"/v1/messages", "{\"contents\":[{\"parts\":[]}]}", DIALECT_GEMINI, false},
		{"/v1/responses", "{\"model\":\"m\",\"messages\":[{\"role\":\"user\"}]}",
		 DIALECT_OPENAI_CHAT, false},
		{"/v1/chat/completions",
		 "{\"model\":\"m\",\"messages\":[{\"role\":\"user\"}],\"max_tokens\":1,\"system\":\"s\"}",
		 DIALECT_OPENAI_CHAT, false},
		{"/v1/chat/completions",
		 "{\"messages\":[{\"role\":\"user\"}],\"contents\":[{\"parts\":[]}]}",
		 DIALECT_OPENAI_CHAT, false},
		{"/v1/chat/completions", "{\"ping\":1}", DIALECT_OPENAI_CHAT, true},
		/* ordinary, in the words of dialects that only a path can name */
		{"/", "{\"agent\":\"smith\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}",
		 DIALECT_NONE},
		{"/", "{\"version\":\"2\",\"input\":{\"prompt\":\"name?\"}}", DIALECT_NONE},
		{"/", "{\"model_id\":\"a\",\"input\":\"x\",\"project_id\":\"p\"}", DIALECT_NONE},
		{"/", "{\"inputs\":\"x\",\"parameters\":{\"max_new_tokens\":5}}", DIALECT_NONE},
		{"/", "{\"prompt\":\"x\",\"n_predict\":5}", DIALECT_NONE},
		{"/", "{\"model\":\"S\",\"input\":{\"messages\":[{\"role\":\"user\"}]}}",
		 DIALECT_NONE},
		{"/",
		 "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"eth_call\",\"params\":[{\"input\":\"0x\",\"data\":\"0x\"}]}",
		 DIALECT_NONE},
		{"/",
		 "{\"query\":\"query($input: In){a}\",\"variables\":{\"input\":{\"model\":\"m\",\"prompt\":\"p\"}}}",
		 DIALECT_NONE},
		{"/", "{\"model\":\"car\",\"prompt\":[\"color\",\"size\"],\"version\":3}",
		 DIALECT_NONE},
		{"/",
		 "{\"events\":[{\"type\":\"message\",\"role\":\"user\"}],\"model\":\"web\",\"input\":\"click\"}",
		 DIALECT_NONE},
		{"/", "{\"instances\":[{\"prompt\":\"x\"}],\"parameters\":{\"sampleCount\":1}}",
		 DIALECT_NONE},
		{"/",
		 "{\"text\":\"hi\",\"channel\":\"C1\",\"blocks\":[],\"messages\":[{\"role\":\"user\"}]}",
		 DIALECT_NONE},
		/* ordinary, where a dialect would be: the path alone bears nothing out */
		{"/course/completions",
		 "{\"user\":7,\"course\":\"c1\",\"completed_at\":\"2026-01-01\"}",
		 DIALECT_OPENAI_COMPLETIONS, true},
		{"/course/completions", "{\"prompt\":\"finish?\"}", DIALECT_OPENAI_COMPLETIONS,
		 true},
		{"/editor/completions", "{\"model\":\"Car\",\"field\":\"colour\"}",
		 DIALECT_OPENAI_COMPLETIONS, true},
		{"/social/embeddings", "{\"input\":\"https://example.org/v/1\"}",
		 DIALECT_OPENAI_EMBEDDINGS, true},
		{"/social/embeddings", "{\"model\":\"video\",\"url\":\"x\"}",
		 DIALECT_OPENAI_EMBEDDINGS, true},
		{"/api/embed", "{\"url\":\"https://example.org/v/1\",\"width\":640}",
		 DIALECT_OLLAMA_EMBED, true},
		{"/crm/interactions", "{\"agent\":\"smith\",\"input\":\"call\",\"customer\":9}",
		 DIALECT_GEMINI_INTERACTIONS, true},
		{"/crm/interactions", "{\"type\":\"click\",\"model\":\"button\"}",
		 DIALECT_GEMINI_INTERACTIONS, true},
		{"/v2/chat", "{\"to\":\"u1\",\"messages\":[{\"text\":\"hi\"}]}", DIALECT_COHERE_V2,
		 true},
		{"/v2/chat", "{\"messages\":[{\"role\":\"admin\",\"text\":\"hi\"}]}",
		 DIALECT_COHERE_V2, true},
		{"/tasks/completion", "{\"task\":4,\"prompt\":\"done?\"}", DIALECT_LLAMA_COMPLETION,
		 true},
		{"/survey/completion", "{\"prompt\":\"q\",\"temperature\":1}",
		 DIALECT_LLAMA_COMPLETION, true},
		{"/pdf/generate", "{\"inputs\":\"a.docx\",\"parameters\":{\"paper\":\"A4\"}}",
		 DIALECT_TGI_GENERATE, true},
		{"/jobs/generate",
		 "{\"inputs\":[\"a\",\"b\"],\"parameters\":{\"max_new_tokens\":9}}",
		 DIALECT_TGI_GENERATE, true},
		{"/pdf/generate", "{\"template\":\"invoice\",\"data\":{}}", DIALECT_TGI_GENERATE,
		 true},
		{"/v1/predictions", "{\"input\":{\"tide\":3},\"station\":\"x\"}",
		 DIALECT_REPLICATE_PREDICTION, true},
		{"/v1/predictions", "{\"version\":\"2\",\"input\":[1,2,3]}",
		 DIALECT_REPLICATE_PREDICTION, true},
		{"/v1/predictions", "{\"version\":2,\"input\":{\"x\":1}}",
		 DIALECT_REPLICATE_PREDICTION, true},
		{"/ml/v1/text/chat", "{\"model_id\":\"m\"}", DIALECT_WATSONX, true},
		{"/aiserver.v1.Foo/Bar", "{\"model\":\"m\"}", DIALECT_CONNECT_PROTOBUF, true},
		/* the same paths, borne out */
		{"/v1/completions", "{\"model\":\"m\",\"prompt\":\"x\"}",
		 DIALECT_OPENAI_COMPLETIONS, false},
		{"/v1/completions", "{\"model\":\"m\",\"prompt\":[[1,2]]}",
		 DIALECT_OPENAI_COMPLETIONS, false},
		{"/v1/embeddings", "{\"model\":\"m\",\"input\":[\"x\"]}", DIALECT_OPENAI_EMBEDDINGS,
		 false},
		{"/api/embeddings", "{\"model\":\"m\",\"prompt\":\"x\"}", DIALECT_OLLAMA_EMBED,
		 false},
		{"/completion", "{\"prompt\":\"x\",\"n_predict\":-1}", DIALECT_LLAMA_COMPLETION,
		 false},
		{"/generate", "{\"inputs\":\"x\",\"parameters\":{\"do_sample\":true}}",
		 DIALECT_TGI_GENERATE, false},
		{"/v1/predictions", "{\"version\":\"a:b\",\"input\":{}}",
		 DIALECT_REPLICATE_PREDICTION, false},
		{"/v1beta/interactions",
		 "{\"agent\":\"deep-research\",\"input\":\"x\",\"background\":true}",
		 DIALECT_GEMINI_INTERACTIONS, false},
		{"/v2/chat", "{\"model\":\"m\",\"messages\":[{\"role\":\"user\"}]}",
		 DIALECT_COHERE_V2, false},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct interaction it;
		struct extract *x = start(&it, rows[i].path);

		document(x, EXTRACT_REQUEST, rows[i].body);
		if (it.dialect != rows[i].d || it.dialect_by_path != rows[i].by_path)
			fail_msg("%s %s: \"%s\"%s", rows[i].path, rows[i].body,
				 dialect_name(it.dialect), it.dialect_by_path ? " by path" : "");
		extract_free(x);
	}
}

/* Answers by shape, with a request that left doubt or was not seen. */
static void test_answers(void **state)
{
	static const char chat[] =
		"{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}";
	static const struct {
		const char *path, *request, *answer;
		enum dialect d;
	} rows[] = {
		{"/", NULL, "{\"object\":\"list\",\"model\":\"e\",\"data\":[]}", DIALECT_NONE},
		{"/", NULL, "{\"choices\":[{\"text\":\"a\"}],\"model\":\"m\"}", DIALECT_NONE},
		{"/", NULL, "{\"type\":\"message\",\"content\":[]}", DIALECT_NONE},
		{"/", NULL, "{\"done\":true,\"model\":\"m\"}", DIALECT_NONE},
		{"/", NULL, "{\"error\":{\"type\":\"t\"}}", DIALECT_NONE},
		{"/", NULL, "[{\"object\":\"chat.completion\",\"choices\":[]}]", DIALECT_NONE},
		{"/", NULL, "{\"object\":\"chat.completion\",\"choices\":[]}", DIALECT_OPENAI_CHAT},
		{"/", NULL, "{\"model\":\"m\",\"choices\":[{\"delta\":{}}]}", DIALECT_OPENAI_CHAT},
		{"/", NULL, "{\"type\":\"response.created\",\"response\":{}}",
		 DIALECT_OPENAI_RESPONSES},
		{"/", NULL, "{\"object\":\"response\",\"output\":[]}", DIALECT_OPENAI_RESPONSES},
		{"/", NULL, "{\"type\":\"message\",\"role\":\"assistant\",\"content\":[]}",
		 DIALECT_ANTHROPIC_MESSAGES},
		{"/", NULL, "{\"candidates\":[{\"finishReason\":\"STOP\"}],\"modelVersion\":\"g\"}",
		 DIALECT_GEMINI},
		{"/", NULL, "{\"model\":\"m\",\"created_at\":\"t\",\"done\":false}",
		 DIALECT_OLLAMA},
		{"/", chat, "{\"type\":\"message_start\",\"message\":{}}",
		 DIALECT_ANTHROPIC_MESSAGES},
		{"/", chat, "{\"model\":\"m\",\"created_at\":\"t\",\"done\":false}",
		 DIALECT_OLLAMA},
		{"/v1/messages", chat, "{\"object\":\"chat.completion\",\"choices\":[]}",
		 DIALECT_OPENAI_CHAT},
		{"/api/chat", chat, "{\"object\":\"chat.completion\",\"choices\":[]}",
		 DIALECT_OPENAI_CHAT},
		{"/v1/chat/completions", chat, "{\"type\":\"message_start\"}", DIALECT_OPENAI_CHAT},
		/* of dialects that only a path can name */
		{"/", NULL,
		 "{\"id\":\"p\",\"status\":\"succeeded\",\"urls\":{\"get\":\"g\",\"cancel\":\"c\"}}",
		 DIALECT_NONE},
		{"/", NULL, "{\"object\":\"interaction\",\"id\":\"i\",\"status\":\"completed\"}",
		 DIALECT_NONE},
		{"/", NULL,
		 "{\"request_id\":\"r\",\"output\":{\"text\":\"x\"},\"usage\":{\"input_tokens\":1}}",
		 DIALECT_NONE},
		{"/", NULL, "{\"model_id\":\"m\",\"results\":[{\"generated_text\":\"x\"}]}",
		 DIALECT_NONE},
		{"/", NULL, "{\"object\":\"list\",\"data\":[{\"id\":\"cus_1\"}]}", DIALECT_NONE},
		{"/", NULL,
		 "{\"id\":\"1\",\"message\":{\"content\":[{\"text\":\"x\"}]},\"finish_reason\":\"done\"}",
		 DIALECT_NONE},
		{"/", NULL, "{\"content\":\"page\",\"stop\":true}", DIALECT_NONE},
		{"/", NULL, "{\"token\":{\"id\":1,\"text\":\"x\"},\"generated_text\":null}",
		 DIALECT_NONE},
		{"/", NULL, "{\"model\":\"m\",\"embeddings\":[[1]]}", DIALECT_NONE},
		{"/", NULL, "{\"object\":\"list\",\"data\":[{\"embedding\":[0.5]}]}",
		 DIALECT_OPENAI_EMBEDDINGS},
		{"/", NULL, "{\"object\":\"text_completion\",\"choices\":[]}",
		 DIALECT_OPENAI_COMPLETIONS},
		{"/", NULL, "{\"content\":\"\",\"stop\":true,\"tokens_predicted\":4}",
		 DIALECT_LLAMA_COMPLETION},
		{"/", NULL, "{\"type\":\"message-start\",\"id\":\"x\"}", DIALECT_COHERE_V2},
		{"/", NULL, "{\"model\":\"m\",\"embeddings\":[[1]],\"total_duration\":5}",
		 DIALECT_OLLAMA_EMBED},
		{"/completions", "{\"prompt\":\"x\",\"n_predict\":2}",
		 "{\"content\":\"y\",\"stop\":true,\"tokens_predicted\":2}",
		 DIALECT_LLAMA_COMPLETION},
		{"/api/embeddings", "{\"model\":\"b\",\"input\":\"x\"}",
		 "{\"object\":\"list\",\"data\":[{\"embedding\":[1]}]}", DIALECT_OPENAI_EMBEDDINGS},
		{"/v2/chat", "{\"model\":\"b\",\"messages\":[{\"role\":\"user\"}]}",
		 "{\"object\":\"chat.completion\",\"choices\":[]}", DIALECT_OPENAI_CHAT},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct interaction it;
		struct extract *x = start(&it, rows[i].path);

		if (rows[i].request)
			document(x, EXTRACT_REQUEST, rows[i].request);
		document(x, EXTRACT_RESPONSE, rows[i].answer);
		if (it.dialect != rows[i].d || it.dialect_by_path)
			fail_msg("%s: \"%s\"", rows[i].answer, dialect_name(it.dialect));
		extract_free(x);
	}
}

/* The answer tells what the request did not: facts of the request follow it. */
static void test_late_dialect(void **state)
{
	struct interaction it;
	struct extract *x = start(&it, "/proxy");

	document(x, EXTRACT_REQUEST, "{\"model\":\"m\",\"prompt\":\"why\"}");
	assert_int_equal(it.messages, 0);
	document(
		x, EXTRACT_RESPONSE,
		"{\"model\":\"m\",\"created_at\":\"t\",\"response\":\"a\",\"done\":true,\"eval_count\":4}");
	assert_int_equal(it.dialect, DIALECT_OLLAMA);
	assert_int_equal(it.messages, 1);
	assert_true(it.stream_requested);
	assert_int_equal(it.tokens.output, 4);
	assert_true(extract_stream_done(x));
	extract_free(x);
}

static void test_done_marker(void **state)
{
	static const struct {
		const char *text;
		bool cut;
		int bad;
		bool done;
	} rows[] = {
		{"[DONE]", false, 0, true},	     {" [DONE]\n", false, 0, true},
		{"[DONE]", true, 0, true},	     {"[DONE", false, 0, false},
		{"[DONE]x", false, -EBADMSG, false}, {"[DONEX", false, -EBADMSG, false},
		{"DONE", false, -EBADMSG, false},    {"[]", false, 0, false},
		{"[ DONE]", false, -EBADMSG, false},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (size_t piece = 1; piece < 10; piece++) {
			struct interaction it;
			struct extract *x = start(&it, "/v1/chat/completions");
			int r = 0;

			extract_begin(x, EXTRACT_RESPONSE, NULL);
			for (size_t k = 0, n; rows[i].text[k]; k += n) {
				n = strnlen(rows[i].text + k, piece);
				r = extract_data(x, guarded(rows[i].text + k, n), n, NS);
			}
			extract_end(x, rows[i].cut);
			if (r != rows[i].bad || extract_stream_done(x) != rows[i].done)
				fail_msg("%s: %d %d", rows[i].text, r, extract_stream_done(x));
			extract_free(x);
		}
}

/* A cut inside the last document: neither is the stream whole nor the lesser name of an error its
 * type. Behind it, both are. */
static void test_cut_inside(void **state)
{
	static const struct {
		const char *path, *answer;
		bool done;
		const char *error;
	} rows[] = {
		{"/v1/messages", "{\"type\":\"message_stop\"", false, ""},
		{"/v1/messages", "{\"type\":\"message_stop\"}", true, ""},
		{"/v1/responses", "{\"type\":\"response.completed\",\"response\":{", false, ""},
		{"/api/chat", "{\"done\":true", false, ""},
		{"/api/chat", "{\"done\":true}", true, ""},
		{"/api/chat", "{\"done\":tru", false, ""},
		{"/v1/chat/completions", "{\"error\":{\"code\":\"c\",", false, "error"},
		{"/v1/chat/completions", "{\"error\":{\"code\":\"c\"}", false, "c"},
		{"/v1/chat/completions", "{\"error\":{\"code\":\"c\",\"type\":\"t\"", false, "t"},
		{"/v1/chat/completions", "{\"error\":{\"type\":\"t\",\"code\":\"c\"}}", false, "t"},
		{"/v1/chat/completions", "{\"error\":{\"type\":null,\"code\":\"c\"}}", false, "c"},
		{"/v1/chat/completions", "{\"error\":null}", false, ""},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct interaction it;
		struct extract *x = start(&it, rows[i].path);

		extract_begin(x, EXTRACT_RESPONSE, NULL);
		assert_int_equal(feed(x, rows[i].answer), 0);
		extract_end(x, true);
		if (extract_stream_done(x) != rows[i].done || strcmp(it.error_type, rows[i].error))
			fail_msg("%s: done %d, error %s", rows[i].answer, extract_stream_done(x),
				 it.error_type);
		extract_free(x);
	}
}

/* Pieces find their call by choice and index; a choice that does not say which is the first. */
static void test_choices(void **state)
{
	struct interaction it;
	struct extract *x = start(&it, "/v1/chat/completions");

	document(
		x, EXTRACT_RESPONSE,
		"{\"choices\":[{\"index\":1,\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"a\",\"function\":{\"name\":\"f\"}}]}},"
		"{\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"name\":\"g\"}}]}}]}");
	document(x, EXTRACT_RESPONSE,
		 "{\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"b\"}]}}]}");
	assert_int_equal(it.tool_calls_count, 2);
	assert_string_equal(it.tool_calls[0].name, "f");
	assert_string_equal(it.tool_calls[1].name, "g");
	assert_string_equal(it.tool_calls[1].id, "b");
	extract_free(x);
}

/* The class of service is told as answered; what each dialect calls it. */
static void test_tiers(void **state)
{
	static const struct {
		const char *path, *answer, *tier;
	} rows[] = {
		{"/v1/chat/completions", "{\"service_tier\":\"flex\"}", "flex"},
		{"/v1/chat/completions", "{\"service_tier\":null}", ""},
		{"/v1/responses", "{\"response\":{\"service_tier\":\"priority\"}}", "priority"},
		{"/v1/messages", "{\"usage\":{\"service_tier\":\"standard\"}}", "standard"},
		{"/v1/messages", "{\"message\":{\"usage\":{\"service_tier\":\"batch\"}}}", "batch"},
		{"/api/chat", "{\"service\":\"flex\"}", ""},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct interaction it;
		struct extract *x = start(&it, rows[i].path);

		document(x, EXTRACT_RESPONSE, rows[i].answer);
		assert_string_equal(it.service_tier, rows[i].tier);
		extract_free(x);
	}
}

/* Where the model stands in the path. */
static void test_path_models(void **state)
{
	static const struct {
		const char *path, *model;
		bool stream;
	} rows[] = {
		{"/v1beta/models/gemini-2.5-pro:generateContent", "gemini-2.5-pro"},
		{"/v1beta/models/gemini-2.5-pro:streamGenerateContent", "gemini-2.5-pro", true},
		{"/v1/projects/models/locations/l/publishers/google/models/g:countTokens", "g"},
		{"/v1/projects/p/locations/l/endpoints/123:generateContent", "123"},
		{"/v1beta/tunedModels/mine-1:generateContent", "mine-1"},
		{"/v1beta/models/:generateContent", ""},
		{"/v1/models/meta/llama-3/predictions", "meta/llama-3"},
		{"/v1/predictions", ""},
		{"/generate_stream", "", true},
		{"/x:generateContent", ""},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct interaction it;
		struct extract *x = start(&it, rows[i].path);

		assert_string_equal(it.request_model, rows[i].model);
		assert_int_equal(it.stream_requested, rows[i].stream);
		extract_free(x);
	}
}

/* An answer may overtake its request: each side keeps its place. */
static void test_interleaved(void **state)
{
	struct interaction it;
	struct extract *x = start(&it, "/v1/chat/completions");

	extract_begin(x, EXTRACT_REQUEST, NULL);
	assert_int_equal(feed(x, "{\"model\":\"ask"), 0);
	extract_begin(x, EXTRACT_RESPONSE, NULL);
	assert_int_equal(feed(x, "{\"model\":\"ans"), 0);
	extract_select(x, EXTRACT_REQUEST);
	assert_int_equal(feed(x, "ed\",\"messages\":[{\"role\":\"user\"}]"), 0);
	extract_select(x, EXTRACT_RESPONSE);
	assert_int_equal(feed(x, "wered\",\"id\":\"i\"}"), 0);
	extract_end(x, false);
	assert_string_equal(it.response_model, "answered");
	assert_int_equal(feed(x, "}"), 0);
	extract_end(x, false);
	assert_string_equal(it.request_model, "asked");
	assert_false(it.dialect_by_path);
	extract_free(x);
}

static void test_not_json(void **state)
{
	static const char *const bodies[] = {"grant_type=refresh", "<html></html>",
					     "{\"a\":1}}",	   "{'a':1}",
					     "--boundary\r\n",	   "\x1f\x8b\x08"};

	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		struct interaction it;
		struct extract *x = start(&it, "/");

		extract_begin(x, EXTRACT_REQUEST, NULL);
		assert_int_equal(feed(x, bodies[i]), -EBADMSG);
		assert_int_equal(feed(x, "{}"), -EBADMSG);
		extract_end(x, false);
		assert_int_equal(it.dialect, DIALECT_NONE);
		/* The next document starts afresh. */
		extract_begin(x, EXTRACT_REQUEST, NULL);
		assert_int_equal(feed(x, "{}"), 0);
		extract_end(x, false);
		extract_free(x);
	}
}

static void test_ends_early(void **state)
{
	struct interaction it;
	struct extract *x = start(&it, "/v1/chat/completions");

	document(x, EXTRACT_RESPONSE, " \r\n"); /* no document at all */
	assert_int_equal(it.completeness, COMPLETE);
	extract_begin(x, EXTRACT_RESPONSE, NULL);
	assert_int_equal(feed(x, "{\"usage\":{\"prompt_tokens\":12"), 0);
	extract_end(x, false);
	assert_int_equal(it.completeness, TRUNCATED);
	assert_int_equal(it.tokens.input, -1);
	extract_free(x);
}

static void test_many_calls(void **state)
{
	struct interaction it;
	struct extract *x = start(&it, "/v1/chat/completions");

	for (int i = 0; i < TOOL_CALLS_MAX + 8; i++)
		for (int piece = 0; piece < 3; piece++) {
			char doc[256];

			snprintf(
				doc, sizeof(doc),
				piece ? "{\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":%d,\"function\":{\"arguments\":\"a\"}}]}}]}"
				      : "{\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":%d,\"id\":\"c%d\",\"function\":{\"name\":\"f%d\"}}]}}]}",
				i, i, i);
			document(x, EXTRACT_RESPONSE, doc);
		}
	assert_int_equal(it.tool_calls_count, TOOL_CALLS_MAX + 8);
	assert_string_equal(it.tool_calls[TOOL_CALLS_MAX - 1].name, "f31");
	extract_free(x);
}

static void test_long_values(void **state)
{
	char doc[2048], name[600];
	struct interaction it;
	struct extract *x = start(&it, "/v1/chat/completions");

	memset(name, 'm', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	snprintf(
		doc, sizeof(doc),
		"{\"model\":\"%s\",\"messages\":[{\"role\":\"user\"}],\"tools\":[{\"function\":{\"name\":\"%s\"}}]}",
		name, name);
	document(x, EXTRACT_REQUEST, doc);
	assert_int_equal(strlen(it.request_model), sizeof(it.request_model) - 1);
	assert_int_equal(it.tools_offered.count, 1);
	extract_free(x);
}

/* An SSE event named error is one, whatever its data. */
static void test_error_event(void **state)
{
	struct interaction it;
	struct extract *x = start(&it, "/v1/chat/completions");

	extract_begin(x, EXTRACT_RESPONSE, "error");
	assert_int_equal(feed(x, "{\"message\":\"boom\"}"), 0);
	extract_end(x, false);
	assert_string_equal(it.error_type, "error");
	extract_free(x);
}

/* Text of prompts, answers and arguments is neither in the interaction nor in what extract holds
 * between documents. */
static void test_no_content_kept(void **state)
{
	static const char secret[] = "S3CRET-TEXT";
	static const struct {
		const char *path, *request, *answer;
	} rows[] = {
		{"/v1/chat/completions",
		 "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"S3CRET-TEXT\"}]}",
		 "{\"choices\":[{\"message\":{\"content\":\"S3CRET-TEXT\",\"tool_calls\":[{\"id\":\"c\",\"function\":{\"name\":\"f\",\"arguments\":\"S3CRET-TEXT\"}}]},\"delta\":{\"content\":\"S3CRET-TEXT\"}}],\"error\":{\"message\":\"S3CRET-TEXT\"}}"},
		{"/v1/responses",
		 "{\"model\":\"m\",\"input\":\"S3CRET-TEXT\",\"instructions\":\"S3CRET-TEXT\"}",
		 "{\"type\":\"response.output_text.delta\",\"delta\":\"S3CRET-TEXT\",\"item\":{\"type\":\"function_call\",\"arguments\":\"S3CRET-TEXT\"}}"},
		{"/v1/messages",
		 "{\"model\":\"m\",\"system\":\"S3CRET-TEXT\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"S3CRET-TEXT\"}]}]}",
		 "{\"type\":\"content_block_delta\",\"delta\":{\"text\":\"S3CRET-TEXT\",\"partial_json\":\"S3CRET-TEXT\"}}"},
		{"/models/g:generateContent",
		 "{\"contents\":[{\"parts\":[{\"text\":\"S3CRET-TEXT\"}]}]}",
		 "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"S3CRET-TEXT\"},{\"executableCode\":{\"code\":\"S3CRET-TEXT\"}}]}}]}"},
		{"/api/generate", "{\"model\":\"m\",\"prompt\":\"S3CRET-TEXT\"}",
		 "{\"error\":\"S3CRET-TEXT\",\"response\":\"S3CRET-TEXT\",\"message\":{\"content\":\"S3CRET-TEXT\"}}"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct interaction it;
		struct extract *x = start(&it, rows[i].path);

		document(x, EXTRACT_REQUEST, rows[i].request);
		document(x, EXTRACT_RESPONSE, rows[i].answer);
		assert_null(memmem(&it, sizeof(it), secret, strlen(secret)));
		assert_null(memmem(x, malloc_usable_size(x), secret, strlen(secret)));
		extract_free(x);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paths),	    cmocka_unit_test(test_shapes),
		cmocka_unit_test(test_answers),	    cmocka_unit_test(test_late_dialect),
		cmocka_unit_test(test_done_marker), cmocka_unit_test(test_interleaved),
		cmocka_unit_test(test_cut_inside),  cmocka_unit_test(test_choices),
		cmocka_unit_test(test_path_models), cmocka_unit_test(test_tiers),
		cmocka_unit_test(test_not_json),    cmocka_unit_test(test_ends_early),
		cmocka_unit_test(test_many_calls),  cmocka_unit_test(test_long_values),
		cmocka_unit_test(test_error_event), cmocka_unit_test(test_no_content_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

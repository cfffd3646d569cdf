/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "classify/catalog.h"

static struct catalog *catalog;

static int setup(void **state)
{
	catalog = catalog_new();
	return !catalog;
}

static int teardown(void **state)
{
	catalog_free(catalog);
	return 0;
}

struct row {
	const char *host;
	uint16_t port;
	const char *method, *path, *dialect;
	const char *want; /* "service role evidence operation dialect flags"; K known, A ai */
};

static const struct row rows[] = {
	{"api.openai.com", 443, "POST", "/v1/chat/completions", "openai_chat",
	 "openai api dedicated chat openai_chat KA"},
	{"api.openai.com", 443, "POST", "/v1/chat/completions?x=/v1/files", "",
	 "openai api dedicated chat openai_chat KA"},
	{"api.openai.com", 443, "POST", "/v1/responses", "",
	 "openai api dedicated responses openai_responses KA"},
	{"api.openai.com", 443, "GET", "/v1/responses", "",
	 "openai api dedicated responses openai_responses_ws KA"},
	{"api.openai.com", 443, "CONNECT", "/v1/realtime", "",
	 "openai api dedicated realtime openai_realtime_ws KA"},
	{"api.openai.com", 443, "POST", "/v1/vector_stores/vs_1/search", "",
	 "openai api dedicated retrieval - KA"},
	{"api.openai.com", 443, "POST", "/v9/new", "", "openai api dedicated - - KA"},
	{"api.openai.com", 443, "POST", "/v9/new", "openai_chat", "openai api dedicated chat - KA"},
	{"API.OpenAI.com.", 443, "POST", "/v1/embeddings/", "",
	 "openai api dedicated embeddings openai_embeddings KA"},
	{"eu.api.openai.com", 443, "POST", "/v1/chat/completions", "",
	 "openai api dedicated chat openai_chat KA"},
	{"www.openai.com", 443, "GET", "/", "", "openai web vendor - - KA"},
	{"openai.com.evil.example", 443, "GET", "/", "", "- - - - - "},
	{"notopenai.com", 443, "GET", "/", "", "- - - - - "},
	{"oaistatsig.com", 443, "POST", "/v1/x", "", "openai telemetry dedicated - - K"},

	{"api.anthropic.com", 443, "POST", "/v1/messages", "anthropic_messages",
	 "anthropic api dedicated chat anthropic_messages KA"},
	{"api.anthropic.com", 443, "POST", "/v1/messages/count_tokens", "",
	 "anthropic api dedicated token_count - KA"},
	{"generativelanguage.googleapis.com", 443, "POST",
	 "/v1beta/models/gemini-2.5-flash:streamGenerateContent", "",
	 "gcp.gemini api dedicated generate_content gemini KA"},
	{"generativelanguage.googleapis.com", 443, "POST",
	 "/v1beta/models/gemini-2.5-flash:countTokens", "",
	 "gcp.gemini api dedicated token_count - KA"},
	{"europe-west4-aiplatform.googleapis.com", 443, "POST",
	 "/v1/projects/p/locations/l/publishers/google/models/g:streamGenerateContent", "",
	 "gcp.vertex_ai api dedicated generate_content gemini KA"},
	{"europe-west4-aiplatform.googleapis.com", 443, "POST",
	 "/v1/projects/p/locations/l/publishers/anthropic/models/claude:streamRawPredict", "",
	 "gcp.vertex_ai api dedicated chat anthropic_messages KA"},
	{"storage.googleapis.com", 443, "GET", "/", "", "- - - - - "},
	{"bedrock-runtime.us-east-1.amazonaws.com", 443, "POST",
	 "/model/arn%3Aaws%3Abedrock%3A1/converse-stream", "",
	 "aws.bedrock api dedicated chat bedrock_converse KA"},
	{"bedrock-runtime.us-east-1.evil.amazonaws.com", 443, "POST", "/", "", "- - - - - "},
	{"x.openai.azure.com", 443, "POST", "/openai/deployments/gpt4/chat/completions", "",
	 "azure.ai.openai api dedicated chat openai_chat KA"},
	{"api.deepseek.com", 443, "POST", "/chat/completions", "",
	 "deepseek api dedicated chat openai_chat KA"},
	{"api.deepseek.com", 443, "POST", "/v1/chat/completions", "",
	 "deepseek api dedicated chat openai_chat KA"},

	/* Ties and shared hosts are told apart by path. */
	{"f.services.ai.azure.com", 443, "POST", "/models/chat/completions", "",
	 "azure.ai.inference api dedicated chat openai_chat KA"},
	{"f.services.ai.azure.com", 443, "POST", "/openai/v1/chat/completions", "",
	 "azure.ai.openai api dedicated chat openai_chat KA"},
	{"api.githubcopilot.com", 443, "POST", "/chat/completions", "openai_chat",
	 "github_copilot api dedicated chat openai_chat KA"},
	{"api.githubcopilot.com", 443, "POST", "/mcp/", "",
	 "github_mcp api shared mcp mcp_legacy KA"},
	{"api.github.com", 443, "GET", "/repos/a/b", "", "github_copilot auth shared - - K"},
	{"api.github.com", 443, "GET", "/copilot_internal/v2/token", "",
	 "github_copilot auth shared auth - K"},
	{"api.cloudflare.com", 443, "GET", "/client/v4/zones", "",
	 "cloudflare_workers_ai api shared - - K"},
	{"api.cloudflare.com", 443, "POST", "/client/v4/accounts/1/ai/run/@cf/meta/llama-3", "",
	 "cloudflare_workers_ai api shared predict - KA"},
	{"huggingface.co", 443, "GET", "/docs", "", "hugging_face web shared - - K"},
	{"router.huggingface.co", 443, "POST", "/together/v1/chat/completions", "",
	 "hugging_face api dedicated chat openai_chat KA"},
	{"acme.snowflakecomputing.com", 443, "POST", "/queries/v1", "",
	 "snowflake_cortex api shared - - K"},
	{"acme.snowflakecomputing.com", 443, "POST", "/api/v2/cortex/inference:complete", "",
	 "snowflake_cortex api shared chat - KA"},
	{"x--app.modal.run", 443, "POST", "/v1/chat/completions", "openai_chat",
	 "modal api shared chat - KA"},
	{"gateway.ai.cloudflare.com", 443, "POST", "/v1/acct/gw/openai/chat/completions",
	 "openai_chat", "cloudflare_ai_gateway api dedicated chat - KA"},
	{"gateway.ai.cloudflare.com", 443, "POST", "/v1/acct/gw/anthropic/v1/messages", "",
	 "cloudflare_ai_gateway api dedicated chat anthropic_messages KA"},

	/* Local runtimes: port and path or dialect together, never the port alone. */
	{"127.0.0.1", 11434, "POST", "/api/chat", "ollama", "ollama api shared chat ollama KA"},
	{"localhost", 11434, "GET", "/api/tags", "", "ollama api shared models_list - KA"},
	{"localhost", 11434, "GET", "/", "", "- - - - - "},
	{"gpu.lan", 11434, "POST", "/v1/chat/completions", "openai_chat",
	 "ollama api shared chat openai_chat KA"},
	{"localhost", 1234, "POST", "/v1/chat/completions", "openai_chat",
	 "lm_studio api shared chat openai_chat KA"},
	{"localhost", 8080, "POST", "/v1/chat/completions", "openai_chat",
	 "unknown api shared chat openai_chat A"},
	{"localhost", 8080, "POST", "/generate_stream", "",
	 "text_generation_inference api shared text_completion tgi_generate KA"},
	{"localhost", 8000, "GET", "/metrics", "", "- - - - - "},
	{"localhost", 8080, "GET", "/health", "", "- - - - - "},
	{"localhost", 3000, "GET", "/info", "", "- - - - - "},
	{"localhost", 4000, "POST", "/chat/completions", "openai_chat",
	 "litellm_proxy api shared chat - KA"},
	{"localhost", 4000, "GET", "/chat/completions", "", "- - - - - "},

	/* Shadow AI. */
	{"llm.corp.example", 443, "POST", "/proxy/v1/chat/completions", "openai_chat",
	 "unknown api shared chat openai_chat A"},
	{"llm.corp.example", 443, "POST", "/a/messages", "anthropic_messages",
	 "unknown api shared chat anthropic_messages A"},
	{"llm.corp.example", 443, "POST", "/x", "gemini",
	 "unknown api shared generate_content - A"},
	{"10.0.0.7", 8443, "POST", "/v1/responses", "openai_responses",
	 "unknown api shared responses openai_responses A"},
	{"llm.corp.example", 443, "POST", "/v1/chat/completions", "", "- - - - - "},
	{"llm.corp.example", 443, "POST", "/v1/chat/completions", "no_such_dialect", "- - - - - "},
	{"", 0, "", "", "", "- - - - - "},
	{".", 443, "GET", "/", "", "- - - - - "},
	{"api.openai.com", 443, "", "/v1/chat/completions", "",
	 "openai api dedicated chat openai_chat KA"},
};

static const char *or_dash(const char *s)
{
	return *s ? s : "-";
}

static void describe(const struct catalog_service *s, char *out, size_t cap)
{
	snprintf(out, cap, "%s %s %s %s %s %s%s", or_dash(s->id), or_dash(s->role),
		 or_dash(s->evidence), or_dash(s->operation), or_dash(s->dialect),
		 s->known ? "K" : "", s->ai ? "A" : "");
}

static void services(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct row *r = &rows[i];
		struct catalog_service s;
		char got[256];
		bool found = catalog_service(catalog, r->host, r->port, r->method, r->path,
					     r->dialect, &s);

		describe(&s, got, sizeof(got));
		if (strcmp(got, r->want))
			fail_msg("%s:%u %s %s %s: [%s], want [%s]", r->host, r->port, r->method,
				 r->path, r->dialect, got, r->want);
		assert_int_equal(found, *s.id != '\0');
	}
}

static void details(void **state)
{
	struct catalog_service s;

	assert_true(
		catalog_service(catalog, "api.anthropic.com", 443, "POST", "/v1/messages", "", &s));
	assert_string_equal(s.name, "Anthropic Claude API");
	assert_string_equal(s.vendor, "Anthropic");
	assert_string_equal(s.provider, "anthropic");
	assert_string_equal(s.kind, "llm_api");
	assert_string_equal(s.hq, "US");
	assert_string_equal(s.otel_operation, "chat");
	assert_true(catalog_service(catalog, "api.openai.com", 443, "GET", "/v1/models", "", &s));
	assert_string_equal(s.operation, "models_list");
	assert_string_equal(s.otel_operation, "");
	assert_true(catalog_service(catalog, "h", 1, "POST", "/v1/chat/completions", "openai_chat",
				    &s));
	assert_string_equal(s.name, "Unknown AI service");
	assert_string_equal(s.vendor, "");
	assert_string_equal(s.otel_operation, "chat");
}

static void hosts(void **state)
{
	static const struct {
		const char *host, *id;
		bool ai;
	} h[] = {
		{"api.openai.com", "openai", true},
		{"chatgpt.com", "chatgpt", true},
		{"ab.chatgpt.com", "chatgpt", true},
		{"api.githubcopilot.com", "github_copilot", true},
		{"api.turbopuffer.com", "turbopuffer", true},
		{"api.github.com", "github_copilot", false},
		{"api.cloudflare.com", "cloudflare_workers_ai", false},
		{"huggingface.co", "hugging_face", false},
		{"chatgpt-async-webps-prod-3.webpubsub.azure.com", "chatgpt", true},
		{"a.ai-gateway.b.databricks.com", "databricks", false},
		{"a.b.ai-gateway.c.databricks.com", "databricks", false},
		{"ai-gateway.c.databricks.com", "", false},
		{"cursor.sh", "", false},
		{"x.y.cursor.sh", "cursor", true},
		{"example.com", "", false},
		{"", "", false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(h); i++) {
		struct catalog_service s;

		assert_int_equal(catalog_host(catalog, h[i].host, &s), *h[i].id != '\0');
		if (strcmp(s.id, h[i].id) || s.ai != h[i].ai)
			fail_msg("%s: [%s] ai %d", h[i].host, s.id, s.ai);
	}
}

static void no_host_breaks_it(void **state)
{
	char host[600], path[6000];
	struct catalog_service s;

	memset(host, 'a', sizeof(host));
	host[sizeof(host) - 1] = '\0';
	memset(path, '/', sizeof(path));
	path[sizeof(path) - 1] = '\0';
	assert_false(catalog_service(catalog, host, 1, "POST", path, "", &s));
	for (size_t i = 0; i < sizeof(host) - 1; i += 2)
		host[i] = '.';
	assert_false(catalog_service(catalog, host, 1, "POST", path, "", &s));
	host[253] = '\0';
	assert_false(catalog_service(catalog, host, 1, "POST", path, "", &s));
	assert_true(catalog_service(catalog, "api.openai.com", 1, "POST", path, "", &s));
	assert_string_equal(s.operation, "");
}

static void collect(void *ctx, const char *pattern)
{
	strcat(ctx, pattern);
	strcat(ctx, " ");
}

static void kernel_patterns(void **state)
{
	char list[4096] = "";

	assert_int_equal(catalog_service_hosts(catalog, "anthropic", collect, list), 6);
	assert_non_null(strstr(list, "api.anthropic.com "));
	assert_non_null(strstr(list, "*.anthropic.com "));
	list[0] = '\0';
	assert_true(catalog_service_hosts(catalog, "openai", collect, list) >= 4);
	assert_null(strstr(list, "oaistatsig"));
	list[0] = '\0';
	/* Shared hosts never feed a block. */
	assert_true(catalog_service_hosts(catalog, "github_copilot", collect, list) >= 5);
	assert_null(strstr(list, " github.com "));
	assert_int_equal(catalog_service_hosts(catalog, "no_such_service", collect, list), 0);
}

static void models(void **state)
{
	static const struct {
		const char *model, *vendor;
	} m[] = {
		{"gpt-4o-mini", "OpenAI"},
		{"o1", "OpenAI"},
		{"o3-mini", "OpenAI"},
		{"o4-mini-2025-04-16", "OpenAI"},
		{"chatgpt-4o-latest", "OpenAI"},
		{"ft:gpt-4o:acme::9", "OpenAI"},
		{"text-embedding-3-small", "OpenAI"},
		{"claude-3-5-sonnet-20241022", "Anthropic"},
		{"anthropic.claude-3-haiku-20240307-v1:0", "Anthropic"},
		{"us.anthropic.claude-sonnet-4-20250514-v1:0", "Anthropic"},
		{"arn:aws:bedrock:us-east-1:1:inference-profile/us.anthropic.claude-3",
		 "Anthropic"},
		{"anthropic/claude-opus-4", "Anthropic"},
		{"gemini-2.5-flash", "Google"},
		{"models/gemini-1.5-pro", "Google"},
		{"publishers/google/models/gemini-pro", "Google"},
		{"gemma3:4b", "Google"},
		{"llama3.2:latest", "Meta"},
		{"meta-llama/Llama-3.3-70B-Instruct", "Meta"},
		{"accounts/fireworks/models/llama-v3p1-8b-instruct", "Meta"},
		{"@cf/meta/llama-3.1-8b-instruct", "Meta"},
		{"mistral-large-latest", "Mistral AI"},
		{"mixtral:8x7b", "Mistral AI"},
		{"codestral-2405", "Mistral AI"},
		{"Qwen/Qwen2.5-7B", "Alibaba"},
		{"qwen3-coder", "Alibaba"},
		{"deepseek-r1:8b", "DeepSeek"},
		{"openrouter/deepseek/deepseek-chat", "DeepSeek"},
		{"x-ai/grok-4", "xAI"},
		{"grok-3", "xAI"},
		{"command-r-plus", "Cohere"},
		{"phi-4", "Microsoft"},
		{"kimi-k2", "Moonshot AI"},
		{"glm-4.6", "Zhipu AI"},
		{"amazon.nova-pro-v1:0", "Amazon"},
		{"nova-lite", "Amazon"},
		{"my-model", ""},
		{"olive", ""},
		{"o2-sensor", ""},
		{"", ""},
		{"////", ""},
		{":::", ""},
	};

	for (size_t i = 0; i < ARRAY_SIZE(m); i++) {
		if (strcmp(catalog_model_vendor(m[i].model), m[i].vendor))
			fail_msg("%s: [%s], want [%s]", m[i].model,
				 catalog_model_vendor(m[i].model), m[i].vendor);
	}
	assert_string_equal(catalog_model_vendor(NULL), "");
}

static void version(void **state)
{
	const char *v = catalog_version();

	assert_int_equal(strlen(v), 10 + 1 + 12);
	assert_int_equal(v[10], '.');
	assert_int_equal(strspn(v + 11, "0123456789abcdef"), 12);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(services),	   cmocka_unit_test(details),
		cmocka_unit_test(hosts),	   cmocka_unit_test(no_host_breaks_it),
		cmocka_unit_test(kernel_patterns), cmocka_unit_test(models),
		cmocka_unit_test(version),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A model name in, its maker out. Names are free text chosen by whoever serves the model, so this
 * is a label and no proof. Gateways write "vendor/model", Bedrock "[region.]vendor.model[:n]",
 * clouds "publishers/google/models/x", fine-tunes "ft:gpt-4o:…": such prefixes are read first as a
 * vendor, then dropped, and the rest is read again, at most twelve times.
 */
#include "catalog.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"

struct prefix {
	const char *text, *vendor;
};

/* Model families. Longer before shorter where one begins with the other. */
static const struct prefix families[] = {
	{"gpt-oss", "OpenAI"},
	{"gpt", "OpenAI"},
	{"chatgpt", "OpenAI"},
	{"codex-", "OpenAI"},
	{"davinci", "OpenAI"},
	{"babbage", "OpenAI"},
	{"text-davinci", "OpenAI"},
	{"text-embedding-0", "Google"},
	{"text-embedding-3", "OpenAI"},
	{"text-embedding-ada", "OpenAI"},
	{"text-embedding-v", "Alibaba"},
	{"dall-e", "OpenAI"},
	{"whisper", "OpenAI"},
	{"tts-1", "OpenAI"},
	{"sora", "OpenAI"},
	{"omni-moderation", "OpenAI"},
	{"computer-use-preview", "OpenAI"},
	{"claude", "Anthropic"},
	{"gemini", "Google"},
	{"gemma", "Google"},
	{"palm-", "Google"},
	{"imagen", "Google"},
	{"veo-", "Google"},
	{"medgemma", "Google"},
	{"codegemma", "Google"},
	{"paligemma", "Google"},
	{"text-bison", "Google"},
	{"chat-bison", "Google"},
	{"learnlm", "Google"},
	{"meta-llama", "Meta"},
	{"codellama", "Meta"},
	{"llama", "Meta"},
	{"mistral", "Mistral AI"},
	{"mixtral", "Mistral AI"},
	{"codestral", "Mistral AI"},
	{"ministral", "Mistral AI"},
	{"magistral", "Mistral AI"},
	{"devstral", "Mistral AI"},
	{"pixtral", "Mistral AI"},
	{"voxtral", "Mistral AI"},
	{"open-mistral", "Mistral AI"},
	{"open-mixtral", "Mistral AI"},
	{"mathstral", "Mistral AI"},
	{"qwen", "Alibaba"},
	{"qwq", "Alibaba"},
	{"qvq", "Alibaba"},
	{"wan2", "Alibaba"},
	{"deepseek", "DeepSeek"},
	{"grok", "xAI"},
	{"command", "Cohere"},
	{"c4ai-", "Cohere"},
	{"aya-", "Cohere"},
	{"embed-english", "Cohere"},
	{"embed-multilingual", "Cohere"},
	{"embed-v4", "Cohere"},
	{"rerank-", "Cohere"},
	{"phi-", "Microsoft"},
	{"phi3", "Microsoft"},
	{"phi4", "Microsoft"},
	{"mai-", "Microsoft"},
	{"wizardlm", "Microsoft"},
	{"kimi", "Moonshot AI"},
	{"moonshot", "Moonshot AI"},
	{"glm", "Zhipu AI"},
	{"chatglm", "Zhipu AI"},
	{"codegeex", "Zhipu AI"},
	{"cogview", "Zhipu AI"},
	{"nova-", "Amazon"},
	{"titan-", "Amazon"},
	{"jamba", "AI21 Labs"},
	{"minimax", "MiniMax"},
	{"abab", "MiniMax"},
	{"ernie", "Baidu"},
	{"doubao", "ByteDance"},
	{"seed-", "ByteDance"},
	{"seedream", "ByteDance"},
	{"hunyuan", "Tencent"},
	{"yi-", "01.AI"},
	{"baichuan", "Baichuan"},
	{"internlm", "Shanghai AI Laboratory"},
	{"step-", "StepFun"},
	{"mimo-", "Xiaomi"},
	{"ling-", "Ant Group"},
	{"ring-", "Ant Group"},
	{"longcat", "Meituan"},
	{"sonar", "Perplexity"},
	{"r1-1776", "Perplexity"},
	{"nemotron", "NVIDIA"},
	{"granite", "IBM"},
	{"falcon", "TII"},
	{"dbrx", "Databricks"},
	{"arctic", "Snowflake"},
	{"snowflake-arctic", "Snowflake"},
	{"olmo", "Ai2"},
	{"smollm", "Hugging Face"},
	{"starcoder", "BigCode"},
	{"hermes", "Nous Research"},
	{"nous-hermes", "Nous Research"},
	{"solar-", "Upstage"},
	{"exaone", "LG AI Research"},
	{"gigachat", "Sber"},
	{"yandexgpt", "Yandex"},
	{"palmyra", "Writer"},
	{"reka-", "Reka AI"},
	{"luminous", "Aleph Alpha"},
	{"sarvam", "Sarvam AI"},
	{"voyage-", "Voyage AI"},
	{"jina-", "Jina AI"},
	{"bge-", "BAAI"},
	{"nomic-embed", "Nomic AI"},
	{"mxbai-", "Mixedbread"},
	{"stable-diffusion", "Stability AI"},
	{"sdxl", "Stability AI"},
	{"sd3", "Stability AI"},
	{"stablelm", "Stability AI"},
	{"flux", "Black Forest Labs"},
	{"eleven_", "ElevenLabs"},
	{"mercury", "Inception"},
	{"lfm", "Liquid AI"},
	{"vicuna", "LMSYS"},
	{"apertus", "Swiss AI"},
	{"composer-", "Anysphere"},
};

/* What stands before '/' or '.' when it names the maker and not the gateway. */
static const struct prefix makers[] = {
	{"openai", "OpenAI"},
	{"anthropic", "Anthropic"},
	{"google", "Google"},
	{"meta", "Meta"},
	{"meta-llama", "Meta"},
	{"facebook", "Meta"},
	{"mistralai", "Mistral AI"},
	{"mistral", "Mistral AI"},
	{"qwen", "Alibaba"},
	{"alibaba", "Alibaba"},
	{"deepseek", "DeepSeek"},
	{"deepseek-ai", "DeepSeek"},
	{"x-ai", "xAI"},
	{"xai", "xAI"},
	{"cohere", "Cohere"},
	{"coherelabs", "Cohere"},
	{"microsoft", "Microsoft"},
	{"moonshotai", "Moonshot AI"},
	{"moonshot", "Moonshot AI"},
	{"zai", "Zhipu AI"},
	{"z-ai", "Zhipu AI"},
	{"zai-org", "Zhipu AI"},
	{"thudm", "Zhipu AI"},
	{"amazon", "Amazon"},
	{"ai21", "AI21 Labs"},
	{"minimax", "MiniMax"},
	{"minimaxai", "MiniMax"},
	{"baidu", "Baidu"},
	{"bytedance", "ByteDance"},
	{"tencent", "Tencent"},
	{"nvidia", "NVIDIA"},
	{"ibm", "IBM"},
	{"ibm-granite", "IBM"},
	{"stability", "Stability AI"},
	{"stabilityai", "Stability AI"},
	{"luma", "Luma AI"},
	{"twelvelabs", "TwelveLabs"},
	{"writer", "Writer"},
	{"perplexity", "Perplexity"},
	{"nousresearch", "Nous Research"},
	{"allenai", "Ai2"},
	{"tiiuae", "TII"},
	{"databricks", "Databricks"},
	{"snowflake", "Snowflake"},
	{"stepfun-ai", "StepFun"},
	{"stepfun", "StepFun"},
	{"xiaomi", "Xiaomi"},
	{"upstage", "Upstage"},
	{"liquid", "Liquid AI"},
	{"inception", "Inception"},
	{"baai", "BAAI"},
	{"black-forest-labs", "Black Forest Labs"},
	{"01-ai", "01.AI"},
};

/* o1, o3-mini, o4-mini-deep-research; not "olmo", not "o2sat". */
static bool is_o_series(const char *m)
{
	return (m[0] | 32) == 'o' && m[1] && strchr("134", m[1]) && (!m[2] || strchr("-:@", m[2]));
}

static const char *family(const char *m)
{
	if (is_o_series(m))
		return "OpenAI";
	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		if (!strncasecmp(m, families[i].text, strlen(families[i].text)))
			return families[i].vendor;
	}
	return NULL;
}

static const char *maker(const char *m, size_t n)
{
	for (size_t i = 0; i < ARRAY_SIZE(makers); i++) {
		if (strlen(makers[i].text) == n && !strncasecmp(m, makers[i].text, n))
			return makers[i].vendor;
	}
	return NULL;
}

const char *catalog_model_vendor(const char *model)
{
	for (int depth = 0; depth < 12 && model && *model; depth++) {
		const char *v = family(model);
		size_t n = strcspn(model, "/.:");

		if (v)
			return v;
		v = model[n] == ':' ? NULL : maker(model, n);
		if (v)
			return v;
		model = model[n] ? model + n + 1 : NULL;
	}
	return "";
}

// SPDX-License-Identifier: Apache-2.0
/*
 * Text completions, the older sibling of chat completions, and fill-in-the-middle (/fim/completions,
 * which Mistral answers as a chat). Counts and ends are those of chat (the base).
 *
 * A model and a prompt are also asked for by others: only the path makes a request one of these.
 */
#include "dialect.h"

/* clang-format off */
static const struct rule request[] = {
	{"prompt", ON_SOME, ACT_MESSAGE, FROM_PROMPT},
	{"prompt", ON_SOME, ACT_SEEN, Q_PROMPT},
	{"prompt", ON_ARRAY, ACT_MESSAGE, FROM_PROMPT},
	{"prompt", ON_ARRAY, ACT_SEEN, Q_PROMPT_LIST},
	{0},
};

static const struct rule response[] = {
	{"object", ON_TEXT, ACT_SEEN, R_TEXT_COMPLETION, "text_completion"},
	{"choices[*].text", ON_SOME, ACT_TOKEN},
	{0},
};
/* clang-format on */

static enum fit asks(uint64_t seen, bool by_path)
{
	return by_path && saw(seen, Q_MODEL) && (saw(seen, Q_PROMPT) || saw(seen, Q_PROMPT_LIST))
		       ? FIT_AGREES
		       : FIT_NOT;
}

static enum fit answers(uint64_t seen)
{
	return saw(seen, R_TEXT_COMPLETION) && saw(seen, R_CHOICES) ? FIT_CLEAR : FIT_NOT;
}

static void count(const int64_t raw[RAW__MAX], bool open, struct tokens *t)
{
	dialect_openai_chat.count(raw, open, t);
}

static bool is_call(struct item *i, bool cut)
{
	return dialect_openai_chat.is_call(i, cut);
}

static const struct dialect_path paths[] = {
	{"/fim/completions", false},
	{"/completions", true},
	{0},
};

const struct dialect_def dialect_openai_completions = {
	.id = DIALECT_OPENAI_COMPLETIONS,
	.paths = paths,
	.request = request,
	.response = response,
	.base = &dialect_openai_chat,
	.asks = asks,
	.answers = answers,
	.count = count,
	.is_call = is_call,
	.message_sources = 1 << FROM_PROMPT,
	.always_delta = true,
};

/* SPDX-License-Identifier: Apache-2.0 */
/* What the Responses API and the Realtime API have in common: output items and the response. */
#ifndef PROBITY_FLOW_DIALECT_OPENAI_RESPONSES_H
#define PROBITY_FLOW_DIALECT_OPENAI_RESPONSES_H

#include "dialect.h"

/* clang-format off */
#define RULES_ITEM(path)                                             \
	{path, ON_ITEM, ACT_CALL, NO_INDEX},                         \
		{path ".type", ON_TEXT, ACT_ITEM, ITEM_TYPE},        \
		{path ".name", ON_TEXT, ACT_ITEM, ITEM_NAME},        \
		{path ".id", ON_TEXT, ACT_ITEM, ITEM_ID},            \
		{path ".call_id", ON_TEXT, ACT_ITEM, ITEM_CALL_ID}

/* The response object, as a whole body or inside an event. "incomplete" says less than its
 * reason, which follows it. */
#define RULES_RESPONSE(path)                                                                    \
	{path "id", ON_TEXT, ACT_RESPONSE_ID},                                                  \
		{path "model", ON_TEXT, ACT_RESPONSE_MODEL}, {path "service_tier", ON_TEXT, ACT_TIER},                                     \
		{path "object", ON_TEXT, ACT_SEEN, R_RESPONSE_OBJECT, "response"},              \
		{path "output", ON_ARRAY, ACT_SEEN, R_OUTPUT},                                  \
		{path "status", ON_TEXT, ACT_FINISH, 0, "completed"},                           \
		{path "status", ON_TEXT, ACT_FINISH, 0, "failed"},                              \
		{path "status", ON_TEXT, ACT_FINISH, 0, "cancelled"},                           \
		{path "status", ON_TEXT, ACT_FINISH_WEAK, 0, "incomplete"},                     \
		{path "incomplete_details.reason", ON_TEXT, ACT_FINISH},                        \
		{path "usage.input_tokens", ON_NUMBER, ACT_COUNT, RAW_INPUT},                   \
		{path "usage.output_tokens", ON_NUMBER, ACT_COUNT, RAW_OUTPUT},                 \
		{path "usage.input_tokens_details.cached_tokens", ON_NUMBER, ACT_COUNT,         \
		 RAW_CACHED},                                                                   \
		{path "usage.input_tokens_details.cache_write_tokens", ON_NUMBER, ACT_COUNT,    \
		 RAW_CACHE_WRITE},                                                              \
		{path "usage.output_tokens_details.reasoning_tokens", ON_NUMBER, ACT_COUNT,     \
		 RAW_REASONING},                                                                \
		RULES_ITEM(path "output[*]")
/* clang-format on */

#endif

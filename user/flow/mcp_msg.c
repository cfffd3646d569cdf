// SPDX-License-Identifier: Apache-2.0
/*
 * Scanner events in, messages out. The paths of interest are one constant tree; keys of `_meta`
 * hold dots and slashes, which the tree's patterns cannot say, so they are compared here, and an
 * object below one of them is put on the tree's node of the same meaning.
 *
 * Sizes and the hash of the arguments are of the JSON text as sent, from bracket to bracket: the
 * scanner says which byte it is at. Memory is this struct. A document whose first key is none of
 * JSON-RPC's, or whose "jsonrpc" is not "2.0", is something else, and no longer read.
 */
#include "mcp_msg.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "jsonpath.h"

enum field {
	ROOT,
	VERSION,
	ID,
	METHOD,
	PARAMS,
	RESULT,
	ERROR,
	NAME,
	ARGUMENTS,
	PARAMS_META,
	ASKED_VERSION,
	CLIENT,
	CLIENT_NAME,
	CANCELS,
	IS_ERROR,
	GIVEN_VERSION,
	RESULT_META,
	SERVER,
	SERVER_NAME,
	SERVER_VERSION,
	TOOL_NAME,
	CODE,
	FIELDS
};
static const char *const pattern[FIELDS] = {
	[ROOT] = "",
	[VERSION] = "jsonrpc",
	[ID] = "id",
	[METHOD] = "method",
	[PARAMS] = "params",
	[RESULT] = "result",
	[ERROR] = "error",
	[NAME] = "params.name",
	[ARGUMENTS] = "params.arguments",
	[PARAMS_META] = "params._meta",
	[ASKED_VERSION] = "params.protocolVersion",
	[CLIENT] = "params.clientInfo",
	[CLIENT_NAME] = "params.clientInfo.name",
	[CANCELS] = "params.requestId",
	[IS_ERROR] = "result.isError",
	[GIVEN_VERSION] = "result.protocolVersion",
	[RESULT_META] = "result._meta",
	[SERVER] = "result.serverInfo",
	[SERVER_NAME] = "result.serverInfo.name",
	[SERVER_VERSION] = "result.serverInfo.version",
	[TOOL_NAME] = "result.tools[*].name",
	[CODE] = "error.code",
};

/* Of _meta, since 2026-07-28. */
#define META_VERSION "io.modelcontextprotocol/protocolVersion"
#define META_CLIENT "io.modelcontextprotocol/clientInfo"
#define META_SERVER "io.modelcontextprotocol/serverInfo"

#define TEXT_MAX 256 /* no fact is longer than 128 */

struct mcp_reader {
	mcp_msg_fn *fn;
	void *ctx;
	struct json json;
	struct jsonwalk walk;
	EVP_MD_CTX *md;
	bool bad;	 /* not JSON, or not JSON-RPC */
	bool some;	 /* a message was given */
	bool in_message; /* in an object at the root */
	bool in_arguments;
	bool version_ok;
	bool over;	/* the message is too long: the rest of the document is not read */
	uint16_t keys;	/* of the message so far */
	uint64_t fed;	/* bytes of the document before the piece in hand */
	uint64_t began; /* of the message */
	const uint8_t *piece, *hashed; /* in hand; first byte of the arguments not hashed yet */
	char meta_key[JSON_KEY_MAX + 1];
	uint16_t meta_depth; /* open containers in the _meta object; 0 = not in one */
	uint16_t text_n;
	char text[TEXT_MAX];
	struct mcp_msg m;
};

static struct jsonpath tree;
static uint16_t node_of[FIELDS];
static uint8_t field_of[JSONPATH_NODES];

static void make_tree(void)
{
	if (tree.used)
		return;
	jsonpath_init(&tree);
	memset(field_of, FIELDS, sizeof(field_of));
	for (int f = 0; f < FIELDS; f++) {
		node_of[f] = jsonpath_add(&tree, pattern[f]);
		field_of[node_of[f]] = f;
	}
}

bool mcp_id_equal(const struct mcp_id *a, const struct mcp_id *b)
{
	return a->there && b->there && a->is_text == b->is_text && !strcmp(a->text, b->text);
}

bool mcp_method_known(const char *method)
{
	static const char *const names[] = {
		"initialize",	   "ping",
		"server/discover", "tools/",
		"prompts/",	   "resources/",
		"completion/",	   "logging/",
		"sampling/",	   "elicitation/",
		"roots/",	   "subscriptions/",
		"tasks/",	   "messages/listen",
		"notifications/",
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		size_t n = strlen(names[i]);

		if (names[i][n - 1] == '/' ? !strncmp(method, names[i], n)
					   : !strcmp(method, names[i]))
			return true;
	}
	return false;
}

/* --- messages --------------------------------------------------------------------------------- */

static uint64_t place(const struct mcp_reader *r)
{
	return r->fed + (r->json.at - r->piece);
}

static void message_begin(struct mcp_reader *r)
{
	memset(&r->m, 0, sizeof(r->m));
	r->in_message = true;
	r->version_ok = false;
	r->keys = 0;
	r->meta_depth = 0;
	r->began = place(r);
}

static void message_end(struct mcp_reader *r, bool cut, uint64_t at)
{
	struct mcp_msg *m = &r->m;

	r->in_message = false;
	m->bytes = at - r->began;
	m->cut = cut;
	m->kind = m->method[0] ? (m->id.there ? MCP_REQUEST : MCP_NOTIFICATION) : MCP_ANSWER;
	/* An answer that is cut before its result is known only by its id. */
	if (!r->version_ok || (m->kind == MCP_ANSWER && !m->id.there) ||
	    (m->kind == MCP_ANSWER && !m->has_result && !m->has_error && !cut)) {
		r->bad |= !cut;
		return;
	}
	r->some = true;
	r->fn(r->ctx, m);
}

static void hash_begin(struct mcp_reader *r)
{
	r->in_arguments = EVP_DigestInit_ex(r->md, EVP_sha256(), NULL);
	r->hashed = r->json.at;
	r->m.arguments_bytes = 0;
}

static void hash_upto(struct mcp_reader *r, const uint8_t *end)
{
	EVP_DigestUpdate(r->md, r->hashed, end - r->hashed);
	r->m.arguments_bytes += end - r->hashed;
}

static void hash_end(struct mcp_reader *r)
{
	if (!r->in_arguments)
		return;
	hash_upto(r, r->json.at + 1);
	EVP_DigestFinal_ex(r->md, r->m.arguments_sha256, NULL);
	r->m.has_arguments = true;
	r->in_arguments = false;
}

/* --- values ------------------------------------------------------------------------------------ */

#define SET(field) TEXT_SET(r->m.field, s, n)

static void set_id(struct mcp_id *id, const char *s, size_t n, bool is_text)
{
	id->there = true;
	id->is_text = is_text;
	TEXT_SET(id->text, s, n);
}

static void on_text(struct mcp_reader *r, enum field f, const char *s, size_t n)
{
	switch (f) {
	case VERSION:
		r->version_ok = n == 3 && !memcmp(s, "2.0", 3);
		r->bad |= !r->version_ok;
		break;
	case ID:
		set_id(&r->m.id, s, n, true);
		break;
	case CANCELS:
		set_id(&r->m.cancels, s, n, true);
		break;
	case METHOD:
		SET(method);
		break;
	case NAME:
		SET(tool);
		break;
	case ASKED_VERSION:
	case GIVEN_VERSION:
		SET(protocol_version);
		break;
	case CLIENT_NAME:
		SET(client_name);
		break;
	case SERVER_NAME:
		SET(server_name);
		break;
	case SERVER_VERSION:
		SET(server_version);
		break;
	case TOOL_NAME:
		names_add(&r->m.tools, s, n);
		break;
	default:
		break;
	}
}

static void on_number(struct mcp_reader *r, enum field f, const char *s, size_t n)
{
	char text[JSON_NUMBER_MAX + 1];

	if (!s)
		return;
	if (f == ID)
		set_id(&r->m.id, s, n, false);
	else if (f == CANCELS)
		set_id(&r->m.cancels, s, n, false);
	if (f != CODE)
		return;
	memcpy(text, s, n);
	text[n] = '\0';
	r->m.code = strtoll(text, NULL, 10);
	r->m.has_code = true;
}

/* A text directly in a _meta object. */
static void on_meta(struct mcp_reader *r, const char *s, size_t n)
{
	if (!strcmp(r->meta_key, META_VERSION))
		SET(protocol_version);
	else if (n && n < sizeof(r->m.meta[0]) && r->m.metas < MCP_META_MAX)
		TEXT_SET(r->m.meta[r->m.metas++], s, n);
}

static bool rpc_key(const char *p, size_t n)
{
	static const char *const keys[] = {"jsonrpc", "id", "method", "params", "result", "error"};

	for (size_t i = 0; p && i < ARRAY_SIZE(keys); i++)
		if (n == strlen(keys[i]) && !memcmp(p, keys[i], n))
			return true;
	return false;
}

static void on_key(struct mcp_reader *r, const char *p, size_t n)
{
	const struct jsonwalk *w = &r->walk;

	if (r->meta_depth && w->depth == r->meta_depth)
		text_copy(r->meta_key, sizeof(r->meta_key), p, p ? n : 0);
	if (w->depth && w->open[w->depth - 1] == node_of[ROOT] && !r->keys++)
		r->bad |= !rpc_key(p, n);
}

static void on_open(struct mcp_reader *r, enum field f)
{
	struct jsonwalk *w = &r->walk;
	bool in_meta = r->meta_depth && w->depth == r->meta_depth + 1;

	if (f == ROOT && !r->in_message)
		message_begin(r);
	else if (f == ARGUMENTS && !r->in_arguments)
		hash_begin(r);
	else if (f == PARAMS_META || f == RESULT_META)
		r->meta_depth = w->depth;
	else if (f == RESULT)
		r->m.has_result = true;
	else if (f == ERROR)
		r->m.has_error = true;
	else if (in_meta && !strcmp(r->meta_key, META_CLIENT))
		w->open[w->depth - 1] = node_of[CLIENT];
	else if (in_meta && !strcmp(r->meta_key, META_SERVER))
		w->open[w->depth - 1] = node_of[SERVER];
}

static void on_close(struct mcp_reader *r, enum field f)
{
	if (f == ARGUMENTS)
		hash_end(r);
	else if (f == PARAMS_META || f == RESULT_META)
		r->meta_depth = 0;
	else if (f == ROOT && r->in_message)
		message_end(r, false, place(r) + 1);
}

static void on_string(struct mcp_reader *r, enum field f, const char *p, size_t n)
{
	size_t room = sizeof(r->text) - r->text_n;

	if (f == FIELDS && !(r->meta_depth && r->walk.depth == r->meta_depth))
		return;
	memcpy(r->text + r->text_n, p, n < room ? n : room);
	r->text_n += n < room ? n : room;
}

static void on_event(void *ctx, enum json_event ev, const char *p, size_t n)
{
	struct mcp_reader *r = ctx;
	uint16_t node = jsonwalk_step(&r->walk, ev, p, n);
	enum field f = node ? field_of[node] : FIELDS;

	if (r->bad)
		return; /* a piece is fed to its end, but what follows is nobody's */
	switch (ev) {
	case JSON_OBJECT:
	case JSON_ARRAY:
		on_open(r, ev == JSON_ARRAY && f == ROOT ? FIELDS : f);
		break;
	case JSON_OBJECT_END:
	case JSON_ARRAY_END:
		on_close(r, f);
		break;
	case JSON_KEY:
		on_key(r, p, n);
		break;
	case JSON_STRING:
		on_string(r, f, p, n);
		break;
	case JSON_STRING_END:
		if (f != FIELDS)
			on_text(r, f, r->text, r->text_n);
		else if (r->meta_depth && r->walk.depth == r->meta_depth)
			on_meta(r, r->text, r->text_n);
		r->text_n = 0;
		break;
	case JSON_NUMBER:
		on_number(r, f, p, n);
		break;
	case JSON_TRUE:
		r->m.is_error |= f == IS_ERROR;
		break;
	default:
		break;
	}
	/* A result may be any value. */
	if (f == RESULT && ev != JSON_KEY)
		r->m.has_result = true;
}

/* --- interface --------------------------------------------------------------------------------- */

struct mcp_reader *mcp_reader_new(mcp_msg_fn *fn, void *ctx)
{
	struct mcp_reader *r = calloc(1, sizeof(*r));

	make_tree();
	if (!r)
		return NULL;
	r->fn = fn;
	r->ctx = ctx;
	r->md = EVP_MD_CTX_new();
	if (!r->md) {
		free(r);
		return NULL;
	}
	mcp_reader_begin(r);
	return r;
}

void mcp_reader_free(struct mcp_reader *r)
{
	if (!r)
		return;
	EVP_MD_CTX_free(r->md);
	free(r);
}

void mcp_reader_begin(struct mcp_reader *r)
{
	r->bad = r->some = r->in_message = r->in_arguments = r->over = false;
	r->meta_depth = r->text_n = 0;
	r->fed = 0;
	json_init(&r->json, on_event, r, false);
	jsonwalk_init(&r->walk, &tree, true);
}

void mcp_reader_data(struct mcp_reader *r, const uint8_t *p, size_t n)
{
	if (r->bad || r->over || !n)
		return;
	r->piece = r->hashed = p;
	if (json_feed(&r->json, p, n) == JSON_BAD)
		r->bad = true;
	if (r->in_arguments)
		hash_upto(r, p + n);
	r->fed += n;
	if (!r->in_message || r->fed - r->began <= MCP_MESSAGE_MAX)
		return;
	r->over = true;
	message_end(r, true, r->fed);
}

enum mcp_doc mcp_reader_end(struct mcp_reader *r, bool cut)
{
	if (r->in_message && (cut || r->bad) && !r->over) {
		bool bad = r->bad;

		message_end(r, true, r->fed);
		r->bad = bad;
	}
	r->in_message = false;
	return r->some ? MCP_DOC_RPC : MCP_DOC_OTHER;
}

enum mcp_doc mcp_reader_state(const struct mcp_reader *r)
{
	return r->some ? MCP_DOC_RPC : r->bad ? MCP_DOC_OTHER : MCP_DOC_OPEN;
}

// SPDX-License-Identifier: Apache-2.0
/*
 * Coding assistants that speak Connect or gRPC with schemas of their own (Cursor, Windsurf). Nothing
 * of their messages can be read without these; the path names the service, and the framing
 * (grpc.c), which says that there are messages, bears it out (body.c). There are no facts.
 */
#include "dialect.h"

static const struct rule none[] = {{0}};

static enum fit asks(uint64_t seen, bool by_path)
{
	return FIT_NOT;
}

static enum fit answers(uint64_t seen)
{
	return FIT_NOT;
}

static void count(const int64_t raw[RAW__MAX], bool open, struct tokens *t) {}

static const struct dialect_path paths[] = {
	{"/aiserver.v1.*", true},
	{"/agent.v1.AgentService/*", true},
	{"/exa.api_server_pb.ApiServerService/*", true},
	{"/exa.language_server_pb.LanguageServerService/*", true},
	{0},
};

const struct dialect_def dialect_connect_protobuf = {
	.id = DIALECT_CONNECT_PROTOBUF,
	.paths = paths,
	.request = none,
	.response = none,
	.asks = asks,
	.answers = answers,
	.count = count,
	.only_by_path = true,
};

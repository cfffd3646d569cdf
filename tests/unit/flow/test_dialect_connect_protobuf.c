// SPDX-License-Identifier: Apache-2.0
/* Messages of unknown schemas: the path names the service, the framing bears it out, no facts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "rig.h"

static const struct {
	const char *host, *path, *type;
	bool done;
	enum dialect dialect;
} rows[] = {
	{"maybe.x", "/aiserver.v1.ChatService/StreamUnifiedChat", "application/connect+proto", true,
	 DIALECT_CONNECT_PROTOBUF},
	{"maybe.x", "/agent.v1.AgentService/Run", "application/connect+proto", true,
	 DIALECT_CONNECT_PROTOBUF},
	{"maybe.x", "/exa.api_server_pb.ApiServerService/GetChatMessage", "application/proto", true,
	 DIALECT_CONNECT_PROTOBUF},
	{"maybe.x", "/exa.api_server_pb.ApiServerService/GetChatMessage", "application/grpc+proto",
	 true, DIALECT_CONNECT_PROTOBUF},
	/* not framed as messages, or of no such service */
	{"maybe.x", "/aiserver.v1.ChatService/StreamUnifiedChat", "application/octet-stream", false,
	 DIALECT_NONE},
	{"maybe.x", "/agent.v2.AgentService/Run", "application/connect+proto", false, DIALECT_NONE},
	{"maybe.x", "/google.pubsub.v1.Publisher/Publish", "application/grpc", false, DIALECT_NONE},
	{"ai.x", "/google.pubsub.v1.Publisher/Publish", "application/grpc", true, DIALECT_NONE},
};

static void test_rows(void **state)
{
	static const uint8_t body[] = {0, 0, 0, 0, 4, 0x0a, 0x02, 'h', 'i'};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (size_t piece = 0; piece < 4; piece++) {
			struct rig *r = rig_new(false);
			char head[512];

			snprintf(head, sizeof(head),
				 "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: %s\r\n"
				 "Connect-Protocol-Version: 1\r\nContent-Length: %zu\r\n\r\n",
				 rows[i].path, rows[i].host, rows[i].type, sizeof(body));
			rig_say(r, FLOW_REQUEST, head);
			rig_feed(r, FLOW_REQUEST, body, sizeof(body), piece);
			snprintf(
				head, sizeof(head),
				"HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %zu\r\n\r\n",
				rows[i].type, sizeof(body));
			rig_say(r, FLOW_RESPONSE, head);
			rig_feed(r, FLOW_RESPONSE, body, sizeof(body), piece);
			if (r->dones != rows[i].done)
				fail_msg("%s %s: %s", rows[i].path, rows[i].type, r->log);
			if (r->dones) {
				assert_int_equal(r->done[0].dialect, rows[i].dialect);
				assert_false(r->done[0].dialect_by_path);
				assert_int_equal(r->done[0].tokens.input, -1);
				assert_int_equal(r->done[0].request_body,
						 strncmp(rows[i].type, "application/proto", 17)
							 ? 4
							 : 9);
			}
			rig_free(r);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

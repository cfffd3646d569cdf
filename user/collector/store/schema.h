/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The SQLite schema as a list of steps: step i takes a store of version i to i + 1. A step that
 * has shipped is never edited; a change is a new step at the end.
 */
#ifndef PROBITY_COLLECTOR_SCHEMA_H
#define PROBITY_COLLECTOR_SCHEMA_H

#define SCHEMA_APPLICATION_ID 0x50524256 /* "PRBV": tells our files from others */

static const char *const schema_steps[] = {
	"CREATE TABLE chain("
	" id BLOB NOT NULL PRIMARY KEY CHECK(length(id) = 16),"
	" public_key BLOB NOT NULL CHECK(length(public_key) = 32),"
	" cert_sha256 BLOB NOT NULL CHECK(length(cert_sha256) = 32),"
	" host TEXT NOT NULL,"
	" cn TEXT NOT NULL,"
	" first_seq INTEGER NOT NULL,"
	" last_seq INTEGER NOT NULL,"
	" last_id INTEGER NOT NULL,"
	" records INTEGER NOT NULL,"
	" last_leaf BLOB NOT NULL CHECK(length(last_leaf) = 32),"
	" created_ns INTEGER NOT NULL,"
	" updated_ns INTEGER NOT NULL) STRICT;"

	"CREATE TABLE record("
	" chain BLOB NOT NULL,"
	" seq INTEGER NOT NULL,"
	" leaf BLOB NOT NULL CHECK(length(leaf) = 32),"
	" record BLOB NOT NULL,"
	" signature BLOB NOT NULL CHECK(length(signature) = 64),"
	" wall_ns INTEGER NOT NULL,"
	" schema INTEGER NOT NULL,"
	" received_ns INTEGER NOT NULL,"
	" PRIMARY KEY(chain, seq)) STRICT;"

	"CREATE TABLE ai_call("
	" chain BLOB NOT NULL, seq INTEGER NOT NULL,"
	" time_ns INTEGER, host TEXT, user TEXT, uid INTEGER, pid INTEGER, exe TEXT, tool TEXT,"
	" service TEXT, service_known INTEGER, model TEXT, operation TEXT, dialect TEXT,"
	" server TEXT, http_status INTEGER, input_tokens INTEGER, output_tokens INTEGER,"
	" tool_calls INTEGER, data_classes TEXT, policy TEXT, disposition TEXT, effect TEXT,"
	" risk REAL, completeness TEXT, incomplete_reason TEXT,"
	" PRIMARY KEY(chain, seq)) STRICT, WITHOUT ROWID;"

	"CREATE TABLE control("
	" chain BLOB NOT NULL, seq INTEGER NOT NULL,"
	" kind TEXT, reason TEXT, what TEXT, count INTEGER, cause TEXT,"
	" PRIMARY KEY(chain, seq)) STRICT, WITHOUT ROWID;"

	/* Records a host declared gone, with its signed word; the chain goes on behind them. */
	"CREATE TABLE hole("
	" chain BLOB NOT NULL,"
	" first_seq INTEGER NOT NULL,"
	" last_seq INTEGER NOT NULL CHECK(last_seq >= first_seq),"
	" at_ns INTEGER NOT NULL,"
	" loss BLOB NOT NULL,"
	" signature BLOB NOT NULL,"
	" PRIMARY KEY(chain, first_seq)) STRICT;"

	"CREATE TABLE finding("
	" id INTEGER PRIMARY KEY,"
	" at_ns INTEGER NOT NULL,"
	" last_ns INTEGER NOT NULL,"
	" count INTEGER NOT NULL,"
	" severity INTEGER NOT NULL,"
	" kind TEXT NOT NULL,"
	" cn TEXT NOT NULL,"
	" chain BLOB NOT NULL,"
	" seq INTEGER NOT NULL,"
	" detail TEXT NOT NULL,"
	" evidence BLOB,"
	" signature BLOB,"
	" digest BLOB NOT NULL UNIQUE) STRICT;"
	"CREATE INDEX finding_by_cn ON finding(cn, kind);",
};

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The SQLite schema as a list of steps: step i takes a store of version i to i + 1. A step that
 * has shipped is never edited; a change is a new step at the end.
 *
 * Step 1 begins anew: records of before were sealed in a format that is not read any more. store_open
 * refuses a store that holds some.
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

	/* state: chain_state_save behind the last record; mac_key: of the epoch mac_epoch. */
	"DROP TABLE chain; DROP TABLE record; DROP TABLE hole;"
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
	" updated_ns INTEGER NOT NULL,"
	" state BLOB NOT NULL,"
	" covered INTEGER NOT NULL," /* records below are under a signature */
	" stopped INTEGER NOT NULL,"
	" due_ns INTEGER NOT NULL," /* when it is silent for too long */
	" mac_seed BLOB CHECK(length(mac_seed) = 32),"
	" mac_key BLOB CHECK(length(mac_key) = 32),"
	" mac_epoch INTEGER NOT NULL) STRICT;"

	"CREATE TABLE record("
	" chain BLOB NOT NULL,"
	" seq INTEGER NOT NULL,"
	" leaf BLOB NOT NULL CHECK(length(leaf) = 32),"
	" record BLOB NOT NULL,"
	" signature BLOB NOT NULL CHECK(length(signature) IN (0, 64)),"
	" mac BLOB NOT NULL CHECK(length(mac) = 32),"
	" wall_ns INTEGER NOT NULL,"
	" schema INTEGER NOT NULL,"
	" received_ns INTEGER NOT NULL,"
	" PRIMARY KEY(chain, seq)) STRICT;"

	/* proof: the Batch that came, but for its records; edge: of the tree of all before last_seq + 1. */
	"CREATE TABLE hole("
	" chain BLOB NOT NULL,"
	" first_seq INTEGER NOT NULL,"
	" last_seq INTEGER NOT NULL CHECK(last_seq >= first_seq),"
	" at_ns INTEGER NOT NULL,"
	" proof BLOB NOT NULL,"
	" edge BLOB NOT NULL,"
	" PRIMARY KEY(chain, first_seq)) STRICT;"

	/* The key that signs records from seq on, as the SEAL before says. */
	"CREATE TABLE epoch_key("
	" chain BLOB NOT NULL,"
	" epoch INTEGER NOT NULL,"
	" seq INTEGER NOT NULL,"
	" public_key BLOB NOT NULL CHECK(length(public_key) = 32),"
	" PRIMARY KEY(chain, epoch)) STRICT, WITHOUT ROWID;"

	/* The largest tree cosigned of each log. name: the chain in hex, or a foreign log's origin. */
	"CREATE TABLE witness("
	" name TEXT NOT NULL PRIMARY KEY,"
	" origin_sha256 BLOB NOT NULL CHECK(length(origin_sha256) = 32),"
	" chain BLOB CHECK(length(chain) = 16),"
	" size INTEGER NOT NULL,"
	" root BLOB NOT NULL CHECK(length(root) = 32),"
	" edge BLOB NOT NULL,"
	" unix_s INTEGER NOT NULL,"
	" wall_ns INTEGER NOT NULL," /* of a chain's last record under it */
	" note TEXT NOT NULL) STRICT;"
	"CREATE INDEX witness_by_origin ON witness(origin_sha256);"

	/* The collector's own log: cosigned checkpoints, in order. */
	"CREATE TABLE ledger("
	" idx INTEGER PRIMARY KEY,"
	" leaf BLOB NOT NULL CHECK(length(leaf) = 32),"
	" entry BLOB NOT NULL) STRICT;"

	"ALTER TABLE finding ADD COLUMN closed_ns INTEGER;"
	"CREATE INDEX finding_open ON finding(chain, kind) WHERE closed_ns IS NULL;",

	/* The tree's right edge now and then, so that its root at any size is few leaves away. name: the
	 * witness row an entry is of. */
	"CREATE TABLE edge("
	" chain BLOB NOT NULL,"
	" size INTEGER NOT NULL,"
	" edge BLOB NOT NULL,"
	" PRIMARY KEY(chain, size)) STRICT, WITHOUT ROWID;"
	"ALTER TABLE ledger ADD COLUMN name TEXT;"
	"CREATE INDEX ledger_by_name ON ledger(name, idx) WHERE name IS NOT NULL;"
	"CREATE INDEX chain_by_cn ON chain(cn);",
};

#endif

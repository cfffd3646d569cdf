#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Makes a CA and a server certificate for the tests' own servers, and nothing else ever trusts it.
# usage: mkca.sh DIR. Leaves DIR/ca.pem, ca.key, server.pem (with the CA behind it), server.key.
# Does nothing when they are there and valid for another day. The names are those the clients under
# test are told to reach on 127.0.0.1 (or 127.0.0.2); no other name is ever signed.
set -eu
umask 077
names="DNS:localhost,DNS:api.openai.com,DNS:api.anthropic.com"
names="$names,DNS:generativelanguage.googleapis.com,DNS:*.shadow.example,IP:127.0.0.1,IP:127.0.0.2"

mkdir -p "$1"
cd "$1"
if [ -s server.key ] && openssl x509 -in server.pem -noout -checkend 86400 >/dev/null 2>&1 &&
	openssl verify -CAfile ca.pem server.pem >/dev/null 2>&1; then
	exit 0
fi
work=$(mktemp -d .new.XXXXXX)
trap 'rm -rf "$work"' EXIT
key="-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
openssl req -x509 $key -keyout "$work/ca.key" -out "$work/ca.pem" -days 30 \
	-subj "/CN=Probity test CA" -addext "basicConstraints=critical,CA:TRUE" \
	-addext "keyUsage=critical,keyCertSign,cRLSign" 2>/dev/null
openssl req $key -keyout "$work/server.key" -out "$work/server.csr" \
	-subj "/CN=Probity test server" 2>/dev/null
printf '%s\n' "subjectAltName=$names" "extendedKeyUsage=serverAuth" \
	"basicConstraints=critical,CA:FALSE" "keyUsage=critical,digitalSignature" >"$work/ext"
openssl x509 -req -in "$work/server.csr" -CA "$work/ca.pem" -CAkey "$work/ca.key" \
	-CAcreateserial -out "$work/leaf.pem" -days 30 -extfile "$work/ext" 2>/dev/null
cat "$work/leaf.pem" "$work/ca.pem" >"$work/server.pem"
# Clients run as other users too; only the keys stay private.
chmod 644 "$work/ca.pem" "$work/server.pem"
mv "$work/ca.pem" "$work/ca.key" "$work/server.pem" "$work/server.key" .
chmod 755 .

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What counts as a value of which class: a table, and how a row is confirmed.
 *
 * A count must mean something to an auditor, so a row is made to miss rather than to cry wolf.
 * Three things can make a number count: (1) a check digit strong enough alone (IBAN, codice
 * fiscale, hetu, Chinese resident id, NIR), or an issuer's prefix with Luhn (cards); (2) the
 * official separators with the check digit (CPF, AHV, NRN, SSN without one); (3) a keyword in the
 * 48 bytes before a bare run of digits with the check digit. Where the official writing is also
 * that of everyday numbers (3-3-4 is a phone number, 3-3-3 a thousand separator), (3) applies to
 * it too. A number that is part of a longer token (version, UUID, path, hash, decimal) never
 * counts. Credentials count by their issuer's prefix and length; of unbounded ones the head does.
 *
 * Limits: upper-case IBANs only; keywords in front only; South Korean numbers given out since
 * October 2020 have no check digit and are not found.
 */
#include "dataclass_rules.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "dataclass_find.h"

#define WORDS_REACH 48

enum { /* the order of dataclass_id() */
       EMAIL,
       PHONE,
       PAN,
       IBAN,
       US_SSN,
       DE_STEUERID,
       FR_NIR,
       ES_DNI_NIE,
       IT_CODICE_FISCALE,
       NL_BSN,
       BE_NRN,
       PL_PESEL,
       PT_NIF,
       SE_PERSONNUMMER,
       FI_HETU,
       NO_FNR,
       CH_AHV,
       AT_SVNR,
       GB_NHS,
       BR_CPF,
       BR_CNPJ,
       IN_AADHAAR,
       CN_RESIDENT_ID,
       KR_RRN,
       TR_TCKN,
       AU_TFN,
       CA_SIN,
       PRIVATE_KEY,
       AWS_ACCESS_KEY,
       AWS_SECRET_KEY,
       GCP_API_KEY,
       GCP_SERVICE_ACCOUNT,
       AZURE_STORAGE_KEY,
       OPENAI_API_KEY,
       ANTHROPIC_API_KEY,
       GITHUB_TOKEN,
       GITLAB_TOKEN,
       SLACK_TOKEN,
       STRIPE_KEY,
       HUGGINGFACE_TOKEN,
       NPM_TOKEN,
       GOOGLE_OAUTH,
       JWT,
       CLASSES,
};

static const struct {
	const char *id;
	enum dataclass_kind kind;
} classes[] = {
	[EMAIL] = {"email", DATACLASS_PERSONAL},
	[PHONE] = {"phone", DATACLASS_PERSONAL},
	[PAN] = {"pan", DATACLASS_FINANCIAL},
	[IBAN] = {"iban", DATACLASS_FINANCIAL},
	[US_SSN] = {"us_ssn", DATACLASS_PERSONAL},
	[DE_STEUERID] = {"de_national_id", DATACLASS_PERSONAL},
	[FR_NIR] = {"fr_national_id", DATACLASS_PERSONAL},
	[ES_DNI_NIE] = {"es_national_id", DATACLASS_PERSONAL},
	[IT_CODICE_FISCALE] = {"it_national_id", DATACLASS_PERSONAL},
	[NL_BSN] = {"nl_national_id", DATACLASS_PERSONAL},
	[BE_NRN] = {"be_national_id", DATACLASS_PERSONAL},
	[PL_PESEL] = {"pl_national_id", DATACLASS_PERSONAL},
	[PT_NIF] = {"pt_national_id", DATACLASS_PERSONAL},
	[SE_PERSONNUMMER] = {"se_national_id", DATACLASS_PERSONAL},
	[FI_HETU] = {"fi_national_id", DATACLASS_PERSONAL},
	[NO_FNR] = {"no_national_id", DATACLASS_PERSONAL},
	[CH_AHV] = {"ch_national_id", DATACLASS_PERSONAL},
	[AT_SVNR] = {"at_national_id", DATACLASS_PERSONAL},
	[GB_NHS] = {"gb_national_id", DATACLASS_PERSONAL},
	[BR_CPF] = {"br_national_id", DATACLASS_PERSONAL},
	[BR_CNPJ] = {"br_cnpj", DATACLASS_FINANCIAL},
	[IN_AADHAAR] = {"in_national_id", DATACLASS_PERSONAL},
	[CN_RESIDENT_ID] = {"cn_national_id", DATACLASS_PERSONAL},
	[KR_RRN] = {"kr_national_id", DATACLASS_PERSONAL},
	[TR_TCKN] = {"tr_national_id", DATACLASS_PERSONAL},
	[AU_TFN] = {"au_national_id", DATACLASS_PERSONAL},
	[CA_SIN] = {"ca_national_id", DATACLASS_PERSONAL},
	[PRIVATE_KEY] = {"private_key", DATACLASS_CREDENTIAL},
	[AWS_ACCESS_KEY] = {"aws_access_key", DATACLASS_CREDENTIAL},
	[AWS_SECRET_KEY] = {"aws_secret_key", DATACLASS_CREDENTIAL},
	[GCP_API_KEY] = {"gcp_api_key", DATACLASS_CREDENTIAL},
	[GCP_SERVICE_ACCOUNT] = {"gcp_service_account", DATACLASS_CREDENTIAL},
	[AZURE_STORAGE_KEY] = {"azure_storage_key", DATACLASS_CREDENTIAL},
	[OPENAI_API_KEY] = {"openai_api_key", DATACLASS_CREDENTIAL},
	[ANTHROPIC_API_KEY] = {"anthropic_api_key", DATACLASS_CREDENTIAL},
	[GITHUB_TOKEN] = {"github_token", DATACLASS_CREDENTIAL},
	[GITLAB_TOKEN] = {"gitlab_token", DATACLASS_CREDENTIAL},
	[SLACK_TOKEN] = {"slack_token", DATACLASS_CREDENTIAL},
	[STRIPE_KEY] = {"stripe_key", DATACLASS_CREDENTIAL},
	[HUGGINGFACE_TOKEN] = {"huggingface_token", DATACLASS_CREDENTIAL},
	[NPM_TOKEN] = {"npm_token", DATACLASS_CREDENTIAL},
	[GOOGLE_OAUTH] = {"google_oauth", DATACLASS_CREDENTIAL},
	[JWT] = {"jwt", DATACLASS_CREDENTIAL},
};
_Static_assert(CLASSES <= DATACLASS_MAX, "struct dataclass_scan counts DATACLASS_MAX classes");

/* Rank: higher wins where numbers overlap. */
#define STRONG 9
#define CARD 8
#define NAMED 7
#define WRITTEN 6
#define CALL 1

#define SHAPE(c, s, rk, f, chk, w)                                                             \
	{                                                                                      \
		.class = c, .shape = s, .rank = rk, .flags = RULE_NUMERIC | (f), .check = chk, \
		.words = w                                                                     \
	}
#define BARE(c, n, rk, f, chk, w)                                                               \
	{                                                                                       \
		.class = c, .digits = n, .rank = rk, .flags = RULE_NUMERIC | (f), .check = chk, \
		.words = w                                                                      \
	}
#define TOKEN(c, re, l, f)                                    \
	{                                                     \
		.class = c, .regex = re, .len = l, .flags = f \
	}
#define FOUND(c, re, fn, rk, f)                                             \
	{                                                                   \
		.class = c, .regex = re, .find = fn, .rank = rk, .flags = f \
	}

#define W_STEUER \
	"steuer-id|steuerid|steuer id|idnr|steueridentifikationsnummer|identifikationsnummer|steuer-idnr|tax id|tax_id|taxid"
#define W_NIR "nir|insee|secu|nss|securite sociale|social_security|social security"
#define W_DNI "dni|nie|nif"
#define W_BSN "bsn|burgerservicenummer|sofinummer|sofi"
#define W_NRN "rijksregister|rijksregisternummer|registre national|niss|insz|nrn|numero national"
#define W_NIF "nif|contribuinte"
#define W_PNR "personnummer|personnr|pnr|samordningsnummer"
#define W_FNR "fnr|fodselsnummer|f\303\270dselsnummer|personnummer|fodselsnr"
#define W_AHV "ahv|avs|ahv-nr|ahvn13|navs13|sozialversicherungsnummer"
#define W_SVNR "svnr|sv-nr|sv-nummer|sozialversicherungsnummer|vsnr|versicherungsnummer"
#define W_NHS "nhs"
#define W_CPF "cpf"
#define W_CNPJ "cnpj"
#define W_UID "aadhaar|aadhar|uidai|adhaar"
#define W_TC "tckn|tc kimlik|t.c.|kimlik|tc no"
#define W_TFN "tfn|tax file number|tax file"
#define W_SIN "sin|social insurance|nas|assurance sociale"
#define W_SSN "ssn|social security|social_security|soc sec"
#define W_RRN "rrn|resident registration|\354\243\274\353\257\274"

const struct rule dataclass_rules[] = {
	FOUND(EMAIL, "[A-Za-z0-9_+-]@[A-Za-z0-9]", find_email, 0, 0),

	FOUND(PHONE, "\\+[1-9][0-9 (.\\-]", find_e164, CALL, RULE_NUMERIC),
	FOUND(PHONE,
	      "\\b(?:tel|phone|telephone|telefon|telefono|telefone|mobile|mobil|mobiel|movil|handy|"
	      "cell|cellphone|cellulare|celular|portable|fax|whatsapp|gsm)"
	      "(?:[ ._\\-]?(?:number|no|nr|nummer|num))?[^A-Za-z0-9+]{1,6}[0-9(]",
	      find_called, CALL, RULE_NUMERIC | RULE_CASELESS),
	SHAPE(PHONE, "ddd-ddd-dddd", CALL, 0, phone_nanp, NULL),
	SHAPE(PHONE, "(ddd) ddd-dddd", CALL, 0, phone_nanp, NULL),
	SHAPE(PHONE, "(ddd)ddd-dddd", CALL, 0, phone_nanp, NULL),
	SHAPE(PHONE, "d-ddd-ddd-dddd", CALL, 0, phone_nanp, NULL),
	SHAPE(PHONE, "dd dd dd dd dd", CALL, 0, phone_fr, NULL),
	SHAPE(PHONE, "dd.dd.dd.dd.dd", CALL, 0, phone_fr, NULL),

	BARE(PAN, 13, CARD, 0, checkdigit_card, NULL),
	BARE(PAN, 14, CARD, 0, checkdigit_card, NULL),
	BARE(PAN, 15, CARD, 0, checkdigit_card, NULL),
	BARE(PAN, 16, CARD, 0, checkdigit_card, NULL),
	BARE(PAN, 17, CARD, RULE_WORDS, checkdigit_card, "card|pan|maestro|visa|credit"),
	BARE(PAN, 18, CARD, RULE_WORDS, checkdigit_card, "card|pan|maestro|visa|credit"),
	BARE(PAN, 19, CARD, RULE_WORDS, checkdigit_card, "card|pan|maestro|visa|credit"),
	SHAPE(PAN, "dddd dddd dddd dddd", CARD, RULE_SPACED, checkdigit_card, NULL),
	SHAPE(PAN, "dddd-dddd-dddd-dddd", CARD, 0, checkdigit_card, NULL),
	SHAPE(PAN, "dddd dddd dddd dddd ddd", CARD, RULE_SPACED, checkdigit_card, NULL),
	SHAPE(PAN, "dddd-dddd-dddd-dddd-ddd", CARD, 0, checkdigit_card, NULL),
	SHAPE(PAN, "dddd dddddd ddddd", CARD, RULE_SPACED, checkdigit_card, NULL),
	SHAPE(PAN, "dddd-dddddd-ddddd", CARD, 0, checkdigit_card, NULL),
	SHAPE(PAN, "dddd dddddd dddd", CARD, RULE_SPACED, checkdigit_card, NULL),
	SHAPE(PAN, "dddd-dddddd-dddd", CARD, 0, checkdigit_card, NULL),

	FOUND(IBAN, "[A-Z]{2}[0-9]{2} ?[A-Z0-9]{4}", find_iban, STRONG, RULE_NUMERIC),

	SHAPE(US_SSN, "ddd-dd-dddd", WRITTEN, 0, checkdigit_us_ssn, NULL),
	SHAPE(US_SSN, "ddd dd dddd", NAMED, RULE_WORDS, checkdigit_us_ssn, W_SSN),
	BARE(US_SSN, 9, NAMED, RULE_WORDS, checkdigit_us_ssn, W_SSN),

	SHAPE(DE_STEUERID, "dd ddd ddd ddd", WRITTEN, 0, checkdigit_de_steuerid, NULL),
	BARE(DE_STEUERID, 11, NAMED, RULE_WORDS, checkdigit_de_steuerid, W_STEUER),
	SHAPE(FR_NIR, "d dd dd dC ddd ddd dd", STRONG, 0, checkdigit_fr_nir, NULL),
	SHAPE(FR_NIR, "ddddd2Cdddddddd", STRONG, RULE_WORDS, checkdigit_fr_nir, W_NIR),
	BARE(FR_NIR, 15, NAMED, RULE_WORDS, checkdigit_fr_nir, W_NIR),
	SHAPE(ES_DNI_NIE, "dddddddd-A", WRITTEN, 0, checkdigit_es_dni, NULL),
	SHAPE(ES_DNI_NIE, "A-ddddddd-A", WRITTEN, 0, checkdigit_es_dni, NULL),
	SHAPE(ES_DNI_NIE, "ddddddddA", NAMED, RULE_WORDS, checkdigit_es_dni, W_DNI),
	SHAPE(ES_DNI_NIE, "AdddddddA", NAMED, RULE_WORDS, checkdigit_es_dni, W_DNI),
	{.class = IT_CODICE_FISCALE,
	 .regex = "[A-Z]{6}[0-9LMNP-V]{2}[A-EHLMPRST][0-9LMNP-V]{2}[A-Z][0-9LMNP-V]{3}[A-Z]",
	 .len = 16,
	 .flags = RULE_EXACT,
	 .check = checkdigit_it_codice_fiscale},
	BARE(NL_BSN, 9, NAMED, RULE_WORDS, checkdigit_nl_bsn, W_BSN),
	SHAPE(BE_NRN, "dd.dd.dd-ddd.dd", WRITTEN, 0, checkdigit_be_nrn, NULL),
	BARE(BE_NRN, 11, NAMED, RULE_WORDS, checkdigit_be_nrn, W_NRN),
	BARE(PL_PESEL, 11, NAMED, RULE_WORDS, checkdigit_pl_pesel, "pesel"),
	BARE(PT_NIF, 9, NAMED, RULE_WORDS, checkdigit_pt_nif, W_NIF),
	SHAPE(PT_NIF, "ddd ddd ddd", NAMED, RULE_WORDS, checkdigit_pt_nif, W_NIF),
	SHAPE(SE_PERSONNUMMER, "dddddd-dddd", WRITTEN, 0, checkdigit_se_personnummer, NULL),
	SHAPE(SE_PERSONNUMMER, "dddddd+dddd", WRITTEN, 0, checkdigit_se_personnummer, NULL),
	SHAPE(SE_PERSONNUMMER, "dddddddd-dddd", WRITTEN, 0, checkdigit_se_personnummer, NULL),
	BARE(SE_PERSONNUMMER, 10, NAMED, RULE_WORDS, checkdigit_se_personnummer, W_PNR),
	BARE(SE_PERSONNUMMER, 12, NAMED, RULE_WORDS, checkdigit_se_personnummer, W_PNR),
	SHAPE(FI_HETU, "ddddddSdddH", STRONG, 0, checkdigit_fi_hetu, NULL),
	SHAPE(NO_FNR, "dddddd ddddd", WRITTEN, 0, checkdigit_no_fnr, NULL),
	BARE(NO_FNR, 11, NAMED, RULE_WORDS, checkdigit_no_fnr, W_FNR),
	SHAPE(CH_AHV, "ddd.dddd.dddd.dd", WRITTEN, 0, checkdigit_ch_ahv, NULL),
	BARE(CH_AHV, 13, NAMED, RULE_WORDS, checkdigit_ch_ahv, W_AHV),
	SHAPE(AT_SVNR, "dddd dddddd", NAMED, RULE_WORDS, checkdigit_at_svnr, W_SVNR),
	BARE(AT_SVNR, 10, NAMED, RULE_WORDS, checkdigit_at_svnr, W_SVNR),
	SHAPE(GB_NHS, "ddd ddd dddd", NAMED, RULE_WORDS, checkdigit_gb_nhs, W_NHS),
	SHAPE(GB_NHS, "ddd-ddd-dddd", NAMED, RULE_WORDS, checkdigit_gb_nhs, W_NHS),
	BARE(GB_NHS, 10, NAMED, RULE_WORDS, checkdigit_gb_nhs, W_NHS),
	SHAPE(BR_CPF, "ddd.ddd.ddd-dd", WRITTEN, 0, checkdigit_br_cpf, NULL),
	BARE(BR_CPF, 11, NAMED, RULE_WORDS, checkdigit_br_cpf, W_CPF),
	SHAPE(BR_CNPJ, "dd.ddd.ddd/dddd-dd", WRITTEN, 0, checkdigit_br_cnpj, NULL),
	BARE(BR_CNPJ, 14, STRONG, RULE_WORDS, checkdigit_br_cnpj, W_CNPJ),
	SHAPE(IN_AADHAAR, "dddd dddd dddd", WRITTEN, 0, checkdigit_in_aadhaar, NULL),
	SHAPE(IN_AADHAAR, "dddd-dddd-dddd", WRITTEN, 0, checkdigit_in_aadhaar, NULL),
	BARE(IN_AADHAAR, 12, NAMED, RULE_WORDS, checkdigit_in_aadhaar, W_UID),
	BARE(CN_RESIDENT_ID, 18, STRONG, 0, checkdigit_cn_resident_id, NULL),
	SHAPE(CN_RESIDENT_ID, "dddddddddddddddddX", STRONG, 0, checkdigit_cn_resident_id, NULL),
	SHAPE(KR_RRN, "dddddd-ddddddd", WRITTEN, 0, checkdigit_kr_rrn, NULL),
	BARE(KR_RRN, 13, NAMED, RULE_WORDS, checkdigit_kr_rrn, W_RRN),
	BARE(TR_TCKN, 11, NAMED, RULE_WORDS, checkdigit_tr_tckn, W_TC),
	SHAPE(AU_TFN, "ddd ddd ddd", NAMED, RULE_WORDS, checkdigit_au_tfn, W_TFN),
	BARE(AU_TFN, 9, NAMED, RULE_WORDS, checkdigit_au_tfn, W_TFN),
	SHAPE(CA_SIN, "ddd ddd ddd", NAMED, RULE_WORDS, checkdigit_ca_sin, W_SIN),
	SHAPE(CA_SIN, "ddd-ddd-ddd", NAMED, RULE_WORDS, checkdigit_ca_sin, W_SIN),
	BARE(CA_SIN, 9, NAMED, RULE_WORDS, checkdigit_ca_sin, W_SIN),

	/* A header alone is talk about keys; key material or a PEM header line must follow. */
	FOUND(PRIVATE_KEY,
	      "-----BEGIN (?:[A-Z0-9]{1,12} ){0,2}PRIVATE KEY(?: BLOCK)?-----"
	      "(?:\\\\{1,4}[nr]|[\\r\\n ]){1,8}(?:[A-Za-z0-9+/=]{16}|Proc-Type:|Version:|Comment:)",
	      find_private_key, 0, 0),
	TOKEN(AWS_ACCESS_KEY, "A[KS]IA[A-Z0-9]{16}", 20, RULE_EXACT),
	FOUND(AWS_SECRET_KEY,
	      "(?:secret[_\\- ]?access[_\\- ]?key|aws[_\\- ]?secret(?:[_\\- ]?key)?)"
	      "[^A-Za-z0-9/+]{1,8}[A-Za-z0-9/+]{40}",
	      find_aws_secret, 0, RULE_CASELESS),
	TOKEN(GCP_API_KEY, "AIza[0-9A-Za-z_\\-]{35}", 39, RULE_EXACT),
	TOKEN(GCP_SERVICE_ACCOUNT,
	      "private_key_id\\\\{0,3}\"\\s{0,4}:\\s{0,4}\\\\{0,3}\"[0-9a-f]{40}", 40, 0),
	TOKEN(AZURE_STORAGE_KEY,
	      "(?:account|storage)[_\\- ]?key[^A-Za-z0-9/+]{1,6}[A-Za-z0-9/+]{86}==", 88,
	      RULE_CASELESS),
	TOKEN(OPENAI_API_KEY, "sk-proj-[A-Za-z0-9_\\-]{40}", 48, 0),
	TOKEN(OPENAI_API_KEY, "sk-admin-[A-Za-z0-9_\\-]{40}", 49, 0),
	TOKEN(OPENAI_API_KEY, "sk-svcacct-[A-Za-z0-9_\\-]{40}", 51, 0),
	TOKEN(OPENAI_API_KEY, "sk-[A-Za-z0-9]{20}T3BlbkFJ[A-Za-z0-9]{20}", 51, RULE_EXACT),
	TOKEN(ANTHROPIC_API_KEY, "sk-ant-[a-z]{3}[0-9]{2}-[A-Za-z0-9_\\-]{40}", 53, 0),
	TOKEN(ANTHROPIC_API_KEY, "sk-ant-admin[0-9]{2}-[A-Za-z0-9_\\-]{40}", 55, 0),
	TOKEN(GITHUB_TOKEN, "gh[pousr]_[A-Za-z0-9]{36}", 40, 0),
	TOKEN(GITHUB_TOKEN, "github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}", 93, 0),
	TOKEN(GITLAB_TOKEN, "gl(?:pat|agt|cbt|ptt|imt)-[A-Za-z0-9_\\-]{20}", 26, 0),
	TOKEN(GITLAB_TOKEN, "gl(?:dt|rt|ft)-[A-Za-z0-9_\\-]{20}", 25, 0),
	TOKEN(SLACK_TOKEN, "xox[abeoprs]-[A-Za-z0-9\\-]{24}", 29, 0),
	TOKEN(SLACK_TOKEN, "xapp-[0-9]-[A-Z0-9]{10}-[0-9]{10}", 28, 0),
	TOKEN(STRIPE_KEY, "[sr]k_(?:live|test)_[A-Za-z0-9]{24}", 32, 0),
	TOKEN(HUGGINGFACE_TOKEN, "hf_[A-Za-z0-9]{34}", 37, RULE_EXACT),
	TOKEN(NPM_TOKEN, "npm_[A-Za-z0-9]{36}", 40, RULE_EXACT),
	TOKEN(GOOGLE_OAUTH, "GOCSPX-[A-Za-z0-9_\\-]{28}", 35, RULE_EXACT),
	TOKEN(GOOGLE_OAUTH, "ya29\\.[A-Za-z0-9_\\-]{40}", 45, 0),
	TOKEN(GOOGLE_OAUTH, "1//0[A-Za-z0-9_\\-]{40}", 44, 0),
	FOUND(JWT, "eyJ[A-Za-z0-9_\\-]{10,160}\\.eyJ[A-Za-z0-9_\\-]{10}", find_jwt, 0, 0),
};
const size_t dataclass_rules_n = ARRAY_SIZE(dataclass_rules);

size_t dataclass_count(void)
{
	return CLASSES;
}

const char *dataclass_id(size_t i)
{
	return i < CLASSES ? classes[i].id : "";
}

enum dataclass_kind dataclass_kind(size_t i)
{
	return i < CLASSES ? classes[i].kind : DATACLASS_PERSONAL;
}

int dataclass_by_id(const char *id)
{
	for (int i = 0; i < CLASSES; i++) {
		if (!strcmp(classes[i].id, id))
			return i;
	}
	return -1;
}

/* --- confirming ----------------------------------------------------------------------------- */

static const char *char_class(char c)
{
	switch (c) {
	case 'd':
		return "[0-9]";
	case 'A':
		return "[A-Z]";
	case 'X':
		return "[0-9Xx]";
	case 'C':
		return "[0-9AB]";
	case 'S':
		return "[+\\-A-FU-Y]";
	case 'H':
		return "[0-9A-Y]";
	default:
		return NULL;
	}
}

bool dataclass_shape_regex(const char *shape, char *out, size_t cap)
{
	size_t n = 0;

	for (; *shape; shape++) {
		const char *set = char_class(*shape);
		int k = set ? snprintf(out + n, cap - n, "%s", set)
			    : snprintf(out + n, cap - n, isalnum(*shape) ? "%c" : "\\%c", *shape);

		if (k < 0 || (size_t)k >= cap - n)
			return false;
		n += k;
	}
	return true;
}

static bool digit_at(const struct window *w, size_t i)
{
	int c = window_at(w, i);

	return c >= '0' && c <= '9';
}

/* Not inside a longer token: neither side continues, directly or behind a joining mark. */
static bool number_stands(const struct window *w, const struct span *s, bool spaced)
{
	int prev = window_at(w, s->start - 1), next = window_at(w, s->end);

	if (window_word_at(w, s->start - 1) || window_word_at(w, s->end))
		return false;
	if (prev == '+' || (prev > 0 && strchr("-./", prev) && window_word_at(w, s->start - 2)))
		return false;
	if (next == '@' || (next > 0 && strchr("-./+", next) && window_word_at(w, s->end + 1)))
		return false;
	return !spaced || !((prev == ' ' && digit_at(w, s->start - 2)) ||
			    (next == ' ' && digit_at(w, s->end + 1)));
}

static bool is_letter(int c)
{
	return c >= 0 && c < 128 && isalpha(c);
}

/* A whole word, or a part of a camelCase or snake_case name. */
static bool word_ends(const struct window *w, size_t from, size_t to)
{
	int a = window_at(w, from - 1), b = window_at(w, from), y = window_at(w, to - 1),
	    z = window_at(w, to);

	return (!is_letter(a) || window_escape_before(w, from) || (islower(a) && isupper(b))) &&
	       (!is_letter(z) || (isupper(z) && islower(y)) || !is_letter(y));
}

static bool word_before(const struct window *w, size_t start, const char *words)
{
	size_t from = start > WORDS_REACH ? start - WORDS_REACH : 0;

	for (size_t n; *words; words += n + (words[n] == '|')) {
		n = strcspn(words, "|");
		for (size_t i = from; i + n <= start; i++) {
			if (!strncasecmp((const char *)w->p + i, words, n) &&
			    word_ends(w, i, i + n))
				return true;
		}
	}
	return false;
}

/* The value without its separators, for the check digit. */
static bool check(const struct rule *r, const struct window *w, const struct span *s)
{
	bool sign = r->shape && strchr(r->shape, 'S');
	char text[32];
	size_t n = 0;

	for (size_t i = s->start; i < s->end; i++) {
		unsigned char c = w->p[i];

		if (!isalnum(c) && !(sign && (c == '+' || c == '-')))
			continue;
		if (n == sizeof(text))
			return false;
		text[n++] = toupper(c);
	}
	return r->check(text, n);
}

bool dataclass_confirm(const struct rule *r, const struct window *w, size_t to, struct span *ret)
{
	size_t len = r->shape ? strlen(r->shape) : r->digits ? r->digits : r->len;

	if (r->find)
		return r->find(w, to, ret);
	*ret = (struct span){to - len, to};
	if (r->shape || r->digits) {
		bool spaced = r->shape && strchr(r->shape, ' ') && !(r->flags & RULE_SPACED);

		if (!number_stands(w, ret, spaced))
			return false;
	} else if (window_word_at(w, ret->start - 1) ||
		   (r->flags & RULE_EXACT && window_word_at(w, to))) {
		return false;
	}
	return (!r->check || check(r, w, ret)) &&
	       (!(r->flags & RULE_WORDS) || word_before(w, ret->start, r->words));
}

size_t dataclass_digit_run(const struct window *w, size_t to)
{
	size_t n = 0;

	if (digit_at(w, to))
		return 0;
	while (n <= 19 && digit_at(w, to - 1 - n))
		n++;
	return n <= 19 ? n : 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each check with numbers published as valid examples, and with every single digit of them
 * changed: a check digit that lets one changed digit pass is not implemented.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "classify/checkdigit.h"

struct row {
	const char *name;
	checkdigit_fn *check;
	const char *good[4];
	const char *bad[5];
	unsigned slips; /* changed digits that may pass: two check digits, or none, or dates */
};

static const struct row rows[] = {
	{"luhn",
	 checkdigit_luhn,
	 {"79927398713", "4111111111111111"},
	 {"79927398710", "4a", ""},
	 0},
	{"verhoeff", checkdigit_verhoeff, {"2363", "758722"}, {"2364", "x"}, 0},
	{"iban",
	 checkdigit_iban,
	 {"DE89370400440532013000", "GB29NWBK60161331926819", "NO9386011117947",
	  "MT84MALT011000012345MTLCAST001S"},
	 {"DE8937040044053201300", "XX89370400440532013000", "DE893704004405320130OO",
	  "DE89370400440532013001"},
	 0},
	{"card",
	 checkdigit_card,
	 {"4111111111111111", "378282246310005", "5555555555554444", "30569309025904"},
	 {"1234567812345670", "4111111111111112", "411111111111111", "9111111111111111"},
	 0},
	{"us_ssn",
	 checkdigit_us_ssn,
	 {"536228726", "899120001"},
	 {"000228726", "666228726", "900228726", "536008726", "536220000"},
	 9 * 9 * 2},
	{"de_steuerid",
	 checkdigit_de_steuerid,
	 {"86095742719", "65929970489"},
	 {"86095742718", "06095742719", "86095742999", "11111111111"},
	 0},
	{"fr_nir",
	 checkdigit_fr_nir,
	 {"255081416802538", "180126955222380", "173032A00400254"},
	 {"255081416802539", "255131416802538", "555081416802538"},
	 0},
	{"es_dni",
	 checkdigit_es_dni,
	 {"12345678Z", "X1234567L", "Y7654321G"},
	 {"12345678A", "00000000T"},
	 0},
	{"it_codice_fiscale",
	 checkdigit_it_codice_fiscale,
	 {"RSSMRA85T10A562S", "MRTMTT91D08F205J"},
	 {"RSSMRA85T10A562T", "RSSMRA85T00A562S", "RSSMRA85T10A56"},
	 0},
	{"nl_bsn", checkdigit_nl_bsn, {"111222333", "123456782"}, {"111222334", "111111111"}, 0},
	{"be_nrn",
	 checkdigit_be_nrn,
	 {"85073003328", "17073003384"},
	 {"85073003329", "85133003328"},
	 0},
	{"pl_pesel",
	 checkdigit_pl_pesel,
	 {"44051401359", "02070803628"},
	 {"44051401358", "44133101359"},
	 0},
	{"pt_nif", checkdigit_pt_nif, {"123456789", "501442600"}, {"123456788", "423456789"}, 0},
	{"se_personnummer",
	 checkdigit_se_personnummer,
	 {"6408233234", "196408233234", "8112189876", "7010632391"},
	 {"6408233235", "176408233234", "6413233234"},
	 0},
	{"fi_hetu",
	 checkdigit_fi_hetu,
	 {"131052-308T", "150120A368H"},
	 {"131052-308U", "311152-308T"},
	 0},
	{"no_fnr",
	 checkdigit_no_fnr,
	 {"15076500565", "13097248022"},
	 {"15076500566", "15136500565"},
	 0},
	{"ch_ahv", checkdigit_ch_ahv, {"7569217076985"}, {"7569217076984", "7559217076985"}, 0},
	{"at_svnr", checkdigit_at_svnr, {"1237010180"}, {"1237010181", "0237010180"}, 0},
	{"gb_nhs",
	 checkdigit_gb_nhs,
	 {"9434765919", "4505577104"},
	 {"9434765918", "1111111111"},
	 0},
	{"br_cpf",
	 checkdigit_br_cpf,
	 {"52998224725", "11144477735"},
	 {"52998224726", "11111111111"},
	 0},
	{"br_cnpj",
	 checkdigit_br_cnpj,
	 {"11222333000181", "11444777000161"},
	 {"11222333000182"},
	 0},
	{"in_aadhaar",
	 checkdigit_in_aadhaar,
	 {"234123412346"},
	 {"234123412347", "111111111111"},
	 0},
	{"cn_resident_id",
	 checkdigit_cn_resident_id,
	 {"11010519491231002X", "440524188001010014"},
	 {"110105194912310021", "110105194913310020", "010105194912310022"},
	 0},
	{"kr_rrn", checkdigit_kr_rrn, {"9001011234568"}, {"9001011234567", "9013011234568"}, 0},
	{"tr_tckn",
	 checkdigit_tr_tckn,
	 {"10000000146", "12345678950"},
	 {"10000000147", "02345678950"},
	 0},
	{"au_tfn", checkdigit_au_tfn, {"123456782", "876543210"}, {"123456783"}, 0},
	{"ca_sin", checkdigit_ca_sin, {"130692544"}, {"046454286", "130692545", "830692544"}, 0},
};

static void published_numbers(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct row *r = &rows[i];

		for (size_t k = 0; k < ARRAY_SIZE(r->good) && r->good[k]; k++) {
			if (!r->check(r->good[k], strlen(r->good[k])))
				fail_msg("%s: refuses %s", r->name, r->good[k]);
		}
		for (size_t k = 0; k < ARRAY_SIZE(r->bad) && r->bad[k]; k++) {
			if (r->check(r->bad[k], strlen(r->bad[k])))
				fail_msg("%s: accepts %s", r->name, r->bad[k]);
		}
	}
}

static void one_changed_digit(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *good = rows[i].good[0];
		size_t n = strlen(good);
		unsigned passed = 0;

		for (size_t at = 0; at < n; at++) {
			char text[40];

			memcpy(text, good, n + 1);
			for (char d = '0'; good[at] >= '0' && good[at] <= '9' && d <= '9'; d++) {
				text[at] = d;
				passed += d != good[at] && rows[i].check(text, n);
			}
		}
		if (passed > rows[i].slips)
			fail_msg("%s: %u changed digits pass", rows[i].name, passed);
	}
}

/* Lengths and letters other than a number's own are refused, whatever they are. */
static void other_lengths(void **state)
{
	static const char filler[] = "1111111111111111111111111111111111111111";
	static const char letters[] = "ABCDEFGHIJKLMNOPABCDEFGHIJKLMNOP";

	for (size_t i = 2; i < ARRAY_SIZE(rows); i++) {
		for (size_t n = 0; n < 8; n++)
			assert_false(rows[i].check(filler, n));
		for (size_t n = 20; n < 40; n++)
			assert_false(rows[i].check(filler, n));
		for (size_t n = 8; n < 32; n++)
			assert_false(rows[i].check(letters, n));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(published_numbers),
		cmocka_unit_test(one_changed_digit),
		cmocka_unit_test(other_lengths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

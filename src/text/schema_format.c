/* schema_format.c - what the formats of strings look like, as patterns: of each a plain form, which every reader of the format
 * takes. */
#include "text/schema_compile.h"

#include <string.h>

#define OCTET "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
#define IPV4  OCTET "(\\." OCTET "){3}"
#define H16   "[0-9a-fA-F]{1,4}"
#define IPV6                                                                                                 \
    "^((" H16 ":){7}" H16 "|(" H16 ":){1,7}:|(" H16 ":){1,6}:" H16 "|(" H16 ":){1,5}(:" H16 "){1,2}|(" H16   \
    ":){1,4}(:" H16 "){1,3}|(" H16 ":){1,3}(:" H16 "){1,4}|(" H16 ":){1,2}(:" H16 "){1,5}|" H16 ":(:" H16    \
    "){1,6}|:(:" H16 "){1,7}|::)$"
/* Years begin with 1: some readers know no year 0. */
#define YEAR "([1-9][0-9]{3}|0[1-9][0-9]{2}|00[1-9][0-9]|000[1-9])"
#define LEAP "([0-9]{2}(0[48]|[2468][048]|[13579][26])|(0[48]|[2468][048]|[13579][26])00)-02-29"
#define DATE                                                                                                 \
    "(" YEAR                                                                                                 \
    "-(((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01]))|((0[469]|11)-(0[1-9]|[12][0-9]|30))|(02-(0[1-9]|"         \
    "1[0-9]|2[0-8])))|" LEAP ")"
#define TIME  "([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"
#define LABEL "[a-zA-Z0-9]([a-zA-Z0-9-]{0,60}[a-zA-Z0-9])?"
#define EMAIL                                                                                                \
    "^[a-zA-Z0-9_+-]{1,30}(\\.[a-zA-Z0-9_+-]{1,10}){0,3}@" LABEL "(\\." LABEL "){0,2}\\.[a-zA-Z]{2,12}$"
/* Of RFC 3986: a name of a host, no user. */
#define PCHAR  "([a-zA-Z0-9._~!$&'()*+,;=:@-]|%[0-9a-fA-F]{2})"
#define BEHIND "(\\?(" PCHAR "|[/?])*)?(#(" PCHAR "|[/?])*)?"
#define URI                                                                                                  \
    "[a-zA-Z][a-zA-Z0-9+.-]*:(//[a-zA-Z0-9]([a-zA-Z0-9._-]*[a-zA-Z0-9])?(:[0-9]{1,5})?(/" PCHAR "*)*|" PCHAR \
    "+(/" PCHAR "*)*)" BEHIND
#define LOCAL "/?(([a-zA-Z0-9._~!$&'()*+,;=@-]|%[0-9a-fA-F]{2})+(/" PCHAR "*)*)?" BEHIND
#define DAYS  "[0-9]{1,4}"
#define SPAN                                                                                                 \
    "^P((" DAYS "Y(" DAYS "M(" DAYS "D)?)?|" DAYS "M(" DAYS "D)?|" DAYS "D)(T" CLOCK ")?|T" CLOCK "|" DAYS   \
    "W)$"
#define CLOCK   "(" DAYS "H(" DAYS "M(" DAYS "S)?)?|" DAYS "M(" DAYS "S)?|" DAYS "S)"
/* Without groups and counts. */
#define ATOM    "([a-zA-Z0-9_ /:,@#%&=~<>!;'-]|\\.|\\\\[dwsDWS.]|\\[\\^?(a-z|A-Z|0-9|[_./ ])+\\])"
#define REGEX   "^\\^?(" ATOM "[*+?]?)*\\$?$"
/* "Characters of a pointer": all but those that it, or JSON, escapes. */
#define POINTER "(/([^/~\\x00-\\x1f\"\\\\]|~[01])*)*"
static const struct {
    const char *name, *pattern;
} rows[] = {{"date", "^" DATE "$"},
            {"time", "^" TIME "$"},
            {"date-time", "^" DATE "T" TIME "$"},
            {"uuid", "^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$"},
            {"ipv4", "^" IPV4 "$"},
            {"ipv6", IPV6},
            {"hostname", "^" LABEL "(\\." LABEL "){0,3}$"},
            {"email", EMAIL},
            {"duration", SPAN},
            {"regex", REGEX},
            {"json-pointer", "^" POINTER "$"},
            {"relative-json-pointer", "^(0|[1-9][0-9]{0,2})(#|" POINTER ")$"},
            {"json-pointer-uri-fragment", "^#(/[a-zA-Z0-9_-]*)*$"},
            {"uri-template", "^([a-zA-Z0-9._~:/?#@!$&()*+,;=-]|%[0-9a-fA-F]{2}|\\{[a-zA-Z0-9_]+\\})*$"},
            {"uri-reference", "^(" URI "|" LOCAL ")$"},
            {"url", "^https?://[a-zA-Z0-9]([a-zA-Z0-9.-]*[a-zA-Z0-9])?\\.[a-zA-Z]{2,12}(:[0-9]{2,5})?(/" PCHAR
                    "*)*" BEHIND "$"},
            {"iri", "^" URI "$"},
            {"iri-reference", "^(" URI "|" LOCAL ")$"},
            {"idn-email", EMAIL},
            {"idn-hostname", "^" LABEL "(\\." LABEL "){0,3}$"},
            {"host-name", "^" LABEL "(\\." LABEL "){0,3}$"},
            {"ip-address", "^" IPV4 "$"},
            {"iso-date-time", "^" DATE "T" TIME "$"},
            {"iso-time", "^" TIME "$"},
            {"color", "^#[0-9a-fA-F]{6}$"},
            {"uri", "^" URI "$"}};

const char *schema_format(const char *name) {
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (!strcmp(rows[i].name, name)) return rows[i].pattern;
    return NULL;
}

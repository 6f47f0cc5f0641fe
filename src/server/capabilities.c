/* capabilities.c - what this server can do, for pages that offer it or say why they do not. */
#include "server/endpoints.h"

#include "base/version.h"
#include "server/document.h"
#include "server/search/search.h"
#include "text/json_print.h"

#include <string.h>

void endpoint_capabilities(struct api *api, struct http_exchange *exchange, const char *account) {
    struct buffer out = {0};
    const struct engine *engine = service_engine(api->service);
    const bool thinks = api->model.chats && chat_template_thinks(api->model.template, THINKING_ON);
    (void)account;
    buffer_printf(&out, "{\"version\":\"%s\",\"model\":", HADAL_VERSION);
    json_print_text(&out, api->model.name, strlen(api->model.name));
    buffer_printf(&out,
                  ",\"context\":%lld,\"parallel\":%d,\"chat\":%s,\"thinking\":%s,"
                  "\"search\":{\"available\":%s},\"documents\":{\"pdf\":%s,\"bytes_limit\":%d}}",
                  (long long)engine->context, engine->sequences, api->model.chats ? "true" : "false",
                  thinks ? "true" : "false", api->search && api->search->desk ? "true" : "false",
                  document_converter() ? "true" : "false", DOCUMENT_BYTES_LIMIT);
    api_reply_json(exchange, &out);
    buffer_free(&out);
}

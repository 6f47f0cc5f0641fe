/* document.h - the text of PDF files, by poppler's pdftotext where it is installed. */
#ifndef HADAL_SERVER_DOCUMENT_H
#define HADAL_SERVER_DOCUMENT_H

#include "server/endpoints.h"

enum {
    DOCUMENT_BYTES_LIMIT = 32 << 20, /* of a file */
    DOCUMENT_TEXT_LIMIT = 8 << 20,   /* bytes of its text */
    DOCUMENT_SECONDS = 30,
    DOCUMENT_MEMORY = 1 << 30, /* bytes of the converter's address space */
    DOCUMENTS_AT_ONCE = 2
};

/* The program's path; NULL: it is not installed. */
const char *document_converter(void);

/* POST /documents/text: the body is a PDF, the answer {"text": "..."}. */
endpoint endpoint_document;

#endif

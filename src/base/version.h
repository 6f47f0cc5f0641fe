/* version.h - the version of library and binary. The Makefile reads it too. */
#ifndef HADAL_BASE_VERSION_H
#define HADAL_BASE_VERSION_H

#define HADAL_VERSION "0.1.0"

#endif

# sources of src/sandbox
noinst_LIBRARIES += libsandbox.a
libsandbox_a_SOURCES = \
    src/sandbox/sandbox.h src/sandbox/process.h \
    src/sandbox/hardening.c \
    src/sandbox/privileges.c \
    src/sandbox/landlock.c \
    src/sandbox/seccomp.c \
    src/sandbox/seccomp_filter.c src/sandbox/seccomp_filter.h
libsandbox_a_CFLAGS = $(AM_CFLAGS) $(SECCOMP_CFLAGS)

noinst_LIBRARIES += libbase.a
libbase_a_SOURCES = \
    src/base/activation.c src/base/activation.h \
    src/base/error.c src/base/error.h \
    src/base/bytes.c src/base/bytes.h \
    src/base/secret.c src/base/secret.h \
    src/base/file.c src/base/file.h \
    src/base/socket.c src/base/socket.h \
    src/base/options.c src/base/options.h \
    src/base/options_print.c \
    src/base/suboptions.c src/base/suboptions.h \
    src/base/log.c src/base/log.h \
    src/base/notify.c src/base/notify.h

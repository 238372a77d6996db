noinst_LIBRARIES += libhwtpm.a
libhwtpm_a_SOURCES = \
    src/hwtpm/connection.c src/hwtpm/connection.h \
    src/hwtpm/esys.h \
    src/hwtpm/esys_bytes.c src/hwtpm/esys_bytes.h \
    src/hwtpm/hwapproved.c src/hwtpm/hwapproved.h src/hwtpm/hwapproved_call.h \
    src/hwtpm/hwcounter.c src/hwtpm/hwcounter.h \
    src/hwtpm/hwderive.c src/hwtpm/hwderive.h \
    src/hwtpm/hwendorsement.c src/hwtpm/hwendorsement.h \
    src/hwtpm/hwkey.c src/hwtpm/hwkey.h \
    src/hwtpm/hwpolicy.c src/hwtpm/hwpolicy.h \
    src/hwtpm/hwquote.c src/hwtpm/hwquote.h \
    src/hwtpm/hwresponse.c \
    src/hwtpm/hwsession.c src/hwtpm/hwsession.h \
    src/hwtpm/hwsigner.c src/hwtpm/hwsigner.h \
    src/hwtpm/hwwatch.c src/hwtpm/hwwatch.h
libhwtpm_a_CFLAGS = $(AM_CFLAGS) $(TSS2_CFLAGS)

# libtpms as one object. A program with the engine in it links $(ENGINE_LIBS) and has
# PROGRAM_LDFLAGS = $(AM_LDFLAGS) $(ENGINE_LDFLAGS): its RAND_bytes must win over libcrypto's
# (configure.ac sets ENGINE_LDFLAGS; hf_engine_new refuses to work when it is missing).
noinst_LIBRARIES += libengine.a
libengine_a_SOURCES = \
    src/engine/engine.c src/engine/engine.h \
    src/engine/engine_private.h \
    src/engine/engine_blobs.c \
    src/engine/engine_callbacks.c \
    src/engine/engine_command.c \
    src/engine/engine_landing.c \
    src/engine/engine_host.c src/engine/engine_host.h \
    src/engine/engine_profile.c src/engine/engine_profile.h \
    src/engine/engine_memory.c src/engine/engine_random.c src/engine/engine_shim.h \
    src/engine/engine_pages.c \
    src/engine/engine_seed.c \
    src/engine/engine_trace.c \
    src/engine/permanent_layout.c src/engine/permanent_layout.h
if CURVE_SHIM
libengine_a_SOURCES += src/engine/engine_curve.c
endif
if RSA_SHIM
libengine_a_SOURCES += src/engine/engine_rsa.c
endif
libengine_a_CFLAGS = $(AM_CFLAGS) $(LIBTPMS_CFLAGS) $(LIBCRYPTO_CFLAGS)

ENGINE_LIBS = libengine.a libcrypto.a libbase.a $(LIBTPMS_LIBS) $(LIBCRYPTO_LIBS) $(GLIB_LIBS)

# The same for a static program: its shims have other names (engine_shim.h).
if STATIC_ENGINE
noinst_LIBRARIES += libengine-static.a
libengine_static_a_SOURCES = $(libengine_a_SOURCES)
libengine_static_a_CPPFLAGS = $(AM_CPPFLAGS) -DHF_STATIC_ENGINE
libengine_static_a_CFLAGS = $(libengine_a_CFLAGS)
endif

# The emulator: libemulator.a is everything but main, for the unit tests.
noinst_LIBRARIES += libemulator.a
libemulator_a_SOURCES = \
    src/emulator/capture.c src/emulator/capture.h \
    src/emulator/channels.c src/emulator/channels.h \
    src/emulator/command_frame.c src/emulator/command_frame.h \
    src/emulator/command_worker.c src/emulator/command_worker.h \
    src/emulator/control_handlers.c src/emulator/control_handlers.h \
    src/emulator/control_server.c src/emulator/control_server.h \
    src/emulator/daemon.c src/emulator/daemon.h \
    src/emulator/data_channel.c src/emulator/data_channel.h \
    src/emulator/device_control.c src/emulator/device_control.h \
    src/emulator/emulator.c src/emulator/emulator.h \
    src/emulator/emulator_options.c src/emulator/emulator_options.h \
    src/emulator/facts.c src/emulator/facts.h \
    src/emulator/frontend.c src/emulator/frontend.h \
    src/emulator/frontend_chardev.c \
    src/emulator/frontend_socket.c \
    src/emulator/leftovers.c src/emulator/leftovers.h \
    src/emulator/service.c src/emulator/service.h \
    src/emulator/storage.c src/emulator/storage.h
if HAVE_FUSE
libemulator_a_SOURCES += src/emulator/frontend_cuse.c \
    src/emulator/fuse_library.c src/emulator/fuse_library.h
endif
# Not in the condition: where it is false automake would drop AM_CFLAGS too.
libemulator_a_CFLAGS = $(AM_CFLAGS) $(FUSE_CFLAGS)

bin_PROGRAMS += holdfast
holdfast_SOURCES = src/emulator/main.c
if STATIC_ENGINE
holdfast_LDADD = libemulator.a libcontrol.a libstate.a libsandbox.a libengine-static.a libcrypto.a \
    libbase.a $(STATIC_ENGINE_LIBS)
holdfast_LDFLAGS = $(AM_LDFLAGS) -static-pie -Wl,--gc-sections $(STATIC_ENGINE_LDFLAGS)
else
holdfast_LDADD = libemulator.a libcontrol.a libstate.a libsandbox.a $(ENGINE_LIBS) $(GLIB_LIBS)
holdfast_LDFLAGS = $(AM_LDFLAGS) $(ENGINE_LDFLAGS)
endif

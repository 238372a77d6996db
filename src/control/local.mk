# The control protocol: one table, one codec, one client.
noinst_LIBRARIES += libcontrol.a
libcontrol_a_SOURCES = \
    src/control/protocol.c src/control/protocol.h \
    src/control/codec.c src/control/codec.h \
    src/control/device.c src/control/device.h \
    src/control/client.c src/control/client.h

# sources of src/tools/ctl
bin_PROGRAMS += holdfast-ctl
holdfast_ctl_SOURCES = \
    src/tools/ctl/ctl_commands.c src/tools/ctl/ctl_commands.h \
    src/tools/ctl/ctl_options.c src/tools/ctl/ctl_options.h \
    src/tools/ctl/ctl_main.c \
    src/tools/ctl/swtpm_bios.c \
    src/tools/ctl/swtpm_ioctl.c src/tools/ctl/swtpm_tools.h \
    src/tools/ctl/tcp_target.c src/tools/ctl/tcp_target.h
holdfast_ctl_CFLAGS = $(AM_CFLAGS) $(JSON_CFLAGS)
holdfast_ctl_LDADD = libcontrol.a libcrypto.a libbase.a $(LIBCRYPTO_LIBS) $(JSON_LIBS) $(GLIB_LIBS)

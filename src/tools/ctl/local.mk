# sources of src/tools/ctl
bin_PROGRAMS += holdfast-ctl
holdfast_ctl_SOURCES = \
    src/tools/ctl/ctl_commands.c src/tools/ctl/ctl_commands.h \
    src/tools/ctl/ctl_main.c
holdfast_ctl_CFLAGS = $(AM_CFLAGS) $(JSON_CFLAGS)
holdfast_ctl_LDADD = libcontrol.a libbase.a $(JSON_LIBS) $(GLIB_LIBS)

# sources of src/state
noinst_HEADERS += src/state/store.h

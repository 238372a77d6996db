# sources of src/sandbox
noinst_HEADERS += src/sandbox/sandbox.h

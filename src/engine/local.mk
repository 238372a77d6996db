# sources of src/engine
noinst_HEADERS += src/engine/engine.h

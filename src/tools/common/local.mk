# sources of src/tools/common
noinst_HEADERS += src/tools/common/authority_dir.h

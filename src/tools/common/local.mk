# sources of src/tools/common

# sources of src/tools/authority

# sources of src/tools/ctl

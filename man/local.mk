# Manual pages are POD; man1 for programs, man5 for formats, man7 for concepts.
EXTRA_DIST += $(pod_files)
pod_files = \
    man/holdfast.1.pod \
    man/holdfast-authority.1.pod \
    man/holdfast-ca.1.pod \
    man/holdfast-attest.1.pod \
    man/holdfast-ctl.1.pod \
    man/holdfast-setup.1.pod \
    man/holdfast-attest.5.pod \
    man/holdfast-authority.5.pod \
    man/holdfast-ca.5.pod \
    man/holdfast-localca.1.pod \
    man/holdfast-swtpm_bios.1.pod \
    man/holdfast-swtpm_cert.1.pod \
    man/holdfast-swtpm_ioctl.1.pod \
    man/holdfast-state.5.pod \
    man/holdfast-control.7.pod \
    man/holdfast-enrolment.7.pod \
    man/holdfast-security.7.pod
man_MANS += $(pod_files:.pod=)
CLEANFILES += $(pod_files:.pod=)
SUFFIXES = .pod
.pod:
	@$(MKDIR_P) $(@D)
	$(AM_V_GEN)base=$$(basename $@); section=$${base##*.}; name=$${base%.*}; \
	$(POD2MAN) --utf8 --section=$$section --name=$$(echo $$name | tr a-z A-Z) \
	    --center="holdfast" --release="holdfast $(VERSION)" --errors=die $< $@

// x509-look: what Go's crypto/x509 makes of a certificate of ours, and verifiers that build on it: by the
// rules for endorsement keys that go-attestation documents, a usage that is not critical, an
// authority key identifier, and nothing but the three TPM names in the subject alternative name.
//
//	x509-look ROOT INTERMEDIATES KIND LEAF     files in PEM; INTERMEDIATES may be empty
//
// KIND: ek, platform, ak, iak, idevid, vma, vma-identity (of an authority that certifies the last two, too),
// or tls: then the leaf is looked at as if a server showed it. That the leaf's extended key usage is one that each
// CA below the root may give is looked at here: Verify knows the usages of the web alone.
// Prints what it has found and exits with 1 at the first thing that does not do. Standard library only.
// SPDX-License-Identifier: BSD-3-Clause
package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"fmt"
	"os"
)

var purposes = map[string]asn1.ObjectIdentifier{
	"ek":       {2, 23, 133, 8, 1},
	"platform": {2, 23, 133, 8, 2},
	"ak":       {2, 23, 133, 8, 3},
	"iak":      {2, 23, 133, 8, 3},
}

var altName = asn1.ObjectIdentifier{2, 5, 29, 17}
var keyPurposes = asn1.ObjectIdentifier{2, 5, 29, 37}

func check(good bool, format string, arguments ...any) {
	if !good {
		fmt.Printf("refused: "+format+"\n", arguments...)
		os.Exit(1)
	}
}

func load(path string) []*x509.Certificate {
	data, err := os.ReadFile(path)
	check(err == nil, "%v", err)
	var all []*x509.Certificate
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		certificate, err := x509.ParseCertificate(block.Bytes)
		check(err == nil, "%s: %v", path, err)
		all = append(all, certificate)
	}
	return all
}

func pool(certificates []*x509.Certificate) *x509.CertPool {
	all := x509.NewCertPool()
	for _, certificate := range certificates {
		all.AddCert(certificate)
	}
	return all
}

func extension(c *x509.Certificate, id asn1.ObjectIdentifier) *pkix.Extension {
	for i := range c.Extensions {
		if c.Extensions[i].Id.Equal(id) {
			return &c.Extensions[i]
		}
	}
	return nil
}

// The one directoryName, attribute by attribute.
func directory(c *x509.Certificate) pkix.RDNSequence {
	var names []asn1.RawValue
	var name pkix.RDNSequence
	found := extension(c, altName)
	check(found != nil, "there is no subject alternative name")
	rest, err := asn1.Unmarshal(found.Value, &names)
	check(err == nil && len(rest) == 0 && len(names) == 1 && names[0].Tag == 4, "one directoryName expected: %v", err)
	rest, err = asn1.Unmarshal(names[0].Bytes, &name)
	check(err == nil && len(rest) == 0, "directoryName: %v", err)
	return name
}

func attributes(c *x509.Certificate, prefix asn1.ObjectIdentifier, last ...int) {
	name := directory(c)
	check(len(name) == len(last), "subject alternative name: %d attributes expected, found %v", len(last), name)
	for i, set := range name {
		id := append(append(asn1.ObjectIdentifier{}, prefix...), last[i])
		check(len(set) == 1 && set[0].Type.Equal(id), "subject alternative name: %v expected, found %v", id, set)
	}
}

// Its usage, and only that, and nobody is forced to know it.
func purpose(c *x509.Certificate, wanted asn1.ObjectIdentifier) {
	found := extension(c, keyPurposes)
	check(found != nil && !found.Critical, "extended key usage: there, and not critical, expected")
	check(len(c.ExtKeyUsage) == 0 && len(c.UnknownExtKeyUsage) == 1 && c.UnknownExtKeyUsage[0].Equal(wanted),
		"extended key usage %v expected, found %v %v", wanted, c.UnknownExtKeyUsage, c.ExtKeyUsage)
}

func usage(c *x509.Certificate) {
	wanted := x509.KeyUsageKeyAgreement
	if _, is := c.PublicKey.(*rsa.PublicKey); is {
		wanted = x509.KeyUsageKeyEncipherment
	} else if _, is := c.PublicKey.(*ecdsa.PublicKey); !is {
		check(false, "a key of type %T", c.PublicKey)
	}
	check(c.KeyUsage == wanted, "key usage %b expected, found %b", wanted, c.KeyUsage)
}

// Not one of the TCG's, of which none is for a key that signs whatever it is given.
func ownPurpose(c *x509.Certificate) {
	check(len(c.ExtKeyUsage) == 0 && len(c.UnknownExtKeyUsage) == 1, "one extended key usage expected, found %v %v",
		c.UnknownExtKeyUsage, c.ExtKeyUsage)
	for kind, id := range purposes {
		check(!c.UnknownExtKeyUsage[0].Equal(id), "extended key usage: that of %s", kind)
	}
}

// A CA that has a list gives none but what is on it.
func nested(chain []*x509.Certificate) {
	for _, id := range chain[0].UnknownExtKeyUsage {
		for _, ca := range chain[1:] {
			found := len(ca.UnknownExtKeyUsage)+len(ca.ExtKeyUsage) == 0
			for _, given := range ca.UnknownExtKeyUsage {
				found = found || given.Equal(id)
			}
			check(found, "extended key usage %v: \"%v\" may not give it", id, ca.Subject)
		}
	}
}

// One otherName, hardwareModuleName of a TPM.
func module(c *x509.Certificate) {
	var name struct {
		Other struct {
			ID    asn1.ObjectIdentifier
			Value struct {
				Type   asn1.ObjectIdentifier
				Serial []byte
			} `asn1:"tag:0,explicit"`
		} `asn1:"tag:0"`
	}
	found := extension(c, altName)
	check(found != nil && !found.Critical, "subject alternative name: there, and not critical, expected")
	rest, err := asn1.Unmarshal(found.Value, &name)
	check(err == nil && len(rest) == 0, "subject alternative name: %v", err)
	check(name.Other.ID.Equal(asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 8, 4}) &&
		name.Other.Value.Type.Equal(asn1.ObjectIdentifier{2, 23, 133, 1, 2}) && len(name.Other.Value.Serial) > 0,
		"hardwareModuleName of a TPM expected, found %v", name)
	check(c.KeyUsage == x509.KeyUsageDigitalSignature, "key usage: found %b", c.KeyUsage)
	check(c.Subject.SerialNumber != "" && len(c.Subject.Names) == 1, "subject: a serial number expected, found %v", c.Subject)
}

func leaf(c *x509.Certificate, kind string) {
	if kind == "idevid" {
		ownPurpose(c)
	} else {
		purpose(c, purposes[kind])
	}
	check(len(c.AuthorityKeyId) > 0, "there is no authority key identifier")
	check(c.BasicConstraintsValid && !c.IsCA, "basic constraints: no CA expected")
	switch kind {
	case "ek":
		check(len(c.Subject.Names) == 0, "an empty subject expected, found %v", c.Subject)
		attributes(c, asn1.ObjectIdentifier{2, 23, 133, 2}, 1, 2, 3)
		check(extension(c, altName).Critical, "subject alternative name: critical expected")
		usage(c)
	case "platform":
		attributes(c, asn1.ObjectIdentifier{2, 23, 133, 5, 1}, 1, 4, 5)
		usage(c)
	case "iak", "idevid":
		module(c)
	case "ak":
		check(c.KeyUsage == x509.KeyUsageDigitalSignature, "key usage: found %b", c.KeyUsage)
	}
}

// A directoryName alone is what crypto/x509 leaves to its users; read above, it counts as handled.
func handled(c *x509.Certificate) {
	var left []asn1.ObjectIdentifier
	for _, id := range c.UnhandledCriticalExtensions {
		if !id.Equal(altName) {
			left = append(left, id)
		}
	}
	check(len(left) == 0, "critical extensions that are not known: %v", left)
	c.UnhandledCriticalExtensions = nil
}

func authority(c *x509.Certificate, usages int) {
	check(c.IsCA && c.MaxPathLen == 0 && c.MaxPathLenZero, "a CA with path length 0 expected")
	check(c.KeyUsage == x509.KeyUsageCertSign, "key usage: found %b", c.KeyUsage)
	check(len(c.ExtKeyUsage) == 0 && len(c.UnknownExtKeyUsage) == usages &&
		c.UnknownExtKeyUsage[0].Equal(purposes["ek"]) && c.UnknownExtKeyUsage[1].Equal(purposes["platform"]),
		"extended key usages: found %v %v", c.UnknownExtKeyUsage, c.ExtKeyUsage)
	check(len(c.SubjectKeyId) > 0 && len(c.AuthorityKeyId) > 0, "key identifiers expected")
}

func main() {
	check(len(os.Args) == 5, "usage: x509-look ROOT INTERMEDIATES KIND LEAF")
	roots, between, kind := load(os.Args[1]), load(os.Args[2]), os.Args[3]
	certificates := load(os.Args[4])
	check(len(roots) > 0 && len(certificates) > 0, "no certificates")
	c := certificates[0]
	options := x509.VerifyOptions{
		Roots:         pool(roots),
		Intermediates: pool(between),
		KeyUsages:     []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	}
	switch kind {
	case "tls":
		options.KeyUsages = nil // server authentication
	case "vma":
		authority(c, 2)
	case "vma-identity":
		authority(c, 4)
	default:
		leaf(c, kind)
	}
	handled(c)
	check(!bytes.Equal(c.RawIssuer, c.RawSubject), "it is a root")
	chains, err := c.Verify(options)
	check(err == nil, "%v", err)
	nested(chains[0])
	fmt.Printf("verified: %d certificates, %v, serial number %v\n", len(chains[0]), c.PublicKeyAlgorithm, c.SerialNumber)
}

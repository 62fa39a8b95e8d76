"""Writes what the telephone detector knows of numbering plans, and the numbers that its test looks for, from the metadata
of libphonenumber (https://github.com/google/libphonenumber, Apache-2.0, resources/PhoneNumberMetadata.xml):

    scripts/phone-plans.py PhoneNumberMetadata.xml VERSION

src/policy/region/plans.rs gets a line for each country code and each region, tests/detectors/phones.tsv valid numbers of each
region, drawn with a fixed seed and spelt as libphonenumber's formats spell them.
"""

import random
import re
import sys
import xml.etree.ElementTree as ET

try:
    import re._parser as sre_parse
except ImportError:
    import sre_parse
METADATA, VERSION = sys.argv[1:]
T=ET.parse(METADATA).getroot().find('territories')
TYPES=['fixedLine','mobile','tollFree','premiumRate','sharedCost','personalNumber','voip','pager','uan','voicemail']
def pat(e): return re.sub(r'\s+','',e.text) if e is not None and e.text else None
def lens(s):
    out=set()
    for part in re.findall(r'\[[^\]]*\]|\d+',s or ''):
        if part[0]=='[':
            a,b=part[1:-1].split('-'); out|=set(range(int(a),int(b)+1))
        elif part!='-1': out.add(int(part))
    return out
class Terr: pass
terrs=[]
for x in T:
    t=Terr(); t.id=x.get('id'); t.cc=x.get('countryCode'); t.np=x.get('nationalPrefix') or ''
    t.main=x.get('mainCountryForCode')=='true'
    t.rule=x.get('nationalPrefixFormattingRule') or ''
    t.leading=x.get('leadingDigits')
    t.general=pat(x.find('generalDesc/nationalNumberPattern'))
    t.types=[]
    for ty in TYPES:
        d=x.find(ty)
        if d is None: continue
        pl=d.find('possibleLengths'); p=pat(d.find('nationalNumberPattern'))
        if pl is None or p is None: continue
        t.types.append((ty,p,lens(pl.get('national')),d.findtext('exampleNumber')))
    t.formats=[]
    for n in x.findall('availableFormats/numberFormat'):
        t.formats.append((n.get('pattern').replace(' ',''),[re.sub(r'\s+','',l.text) for l in n.findall('leadingDigits')],n.findtext('format').strip(), (n.findtext('intlFormat') or '').strip(), n.get('nationalPrefixFormattingRule') if n.get('nationalPrefixFormattingRule') is not None else t.rule))
    terrs.append(t)
def gen(p,rng,n=None):
    def node(seq):
        out=''
        for op,av in seq:
            op=str(op)
            if op=='LITERAL': out+=chr(av)
            elif op=='IN':
                opts=[]
                for o,v in av:
                    o=str(o)
                    if o=='LITERAL': opts.append(chr(v))
                    elif o=='RANGE': opts+= [chr(c) for c in range(v[0],v[1]+1)]
                    elif o=='CATEGORY': opts+=list('0123456789')
                out+=rng.choice(opts)
            elif op=='CATEGORY': out+=rng.choice('0123456789')
            elif op in('MAX_REPEAT','MIN_REPEAT'):
                lo,hi,s=av
                for _ in range(rng.randint(lo,min(hi,lo+12))): out+=node(s)
            elif op=='SUBPATTERN': out+=node(av[3])
            elif op=='BRANCH': out+=node(rng.choice(av[1]))
            else: raise Exception(op)
        return out
    return node(sre_parse.parse(p,re.ASCII))
def prefixes(p,k):
    # set of possible prefixes of length k (strings), with complete shorter ones marked
    def node(seq,cur):
        # cur: set of strings (len<k open) ; returns set
        for op,av in seq:
            op=str(op); nxt=set()
            done={c for c in cur if len(c)>=k}; open_=cur-done
            if not open_: return cur
            if op=='LITERAL': nxt={c+chr(av) for c in open_}
            elif op=='IN':
                opts=[]
                for o,v in av:
                    o=str(o)
                    if o=='LITERAL': opts.append(chr(v))
                    elif o=='RANGE': opts+=[chr(c) for c in range(v[0],v[1]+1)]
                    elif o=='CATEGORY': opts+=list('0123456789')
                nxt={c+o for c in open_ for o in opts}
            elif op=='CATEGORY': nxt={c+o for c in open_ for o in '0123456789'}
            elif op in('MAX_REPEAT','MIN_REPEAT'):
                lo,hi,s=av; c=open_
                for i in range(lo): c=node(s,c)
                nxt=set(c)
                for i in range(lo,min(hi,lo+k+1)):
                    c=node(s,c); nxt|=c
            elif op=='SUBPATTERN': nxt=node(av[3],open_)
            elif op=='BRANCH':
                for b in av[1]: nxt|=node(b,open_)
            else: raise Exception(op)
            cur=done|nxt
        return cur
    return node(sre_parse.parse(p,re.ASCII),{''})
def fmt(t,n,intl):
    for pattern,leads,f,intlf,rule in t.formats:
        if leads and not re.match('(?:'+leads[-1]+')',n): continue
        if not re.fullmatch(pattern,n): continue
        use=f
        if intl:
            if intlf=='NA': continue
            if intlf: use=intlf
        m=re.fullmatch(pattern,n)
        if not intl and rule:
            r=rule.replace('$NP',t.np).replace('$FG','$1')
            use=re.sub(r'\$1',lambda _:r,use,count=1)
        return re.sub(r'\$(\d)',lambda k:m.group(int(k.group(1))) or '',use).strip()
    # main country formats
    return None
def clip(t):
    """Lengths of a region's numbers, but for short ones that are no line's: any number has six digits."""
    lines = set().union(*(l for ty, p, l, ex in t.types if ty in ("fixedLine", "mobile")))
    others = set().union(*(l for ty, p, l, ex in t.types))
    return {n for n in lines if n >= 6} | {n for n in others if n >= 7} or others
def mask(L): return sum(1<<n for n in L)
def calling():
    by={}
    for t in terrs:
        e=by.setdefault(int(t.cc),[set(),set()])
        for ty,p,l,ex in t.types: e[0]|=l; e[1]|={int(x[0]) for x in prefixes(p,1)}
    by[7][0]={10}; by[1][0]={10}; by[1][1]&=set(range(2,10))
    out=[]
    for cc in sorted(by):
        L=by[cc][0]; w=len(str(cc))
        K={n for n in L if n+w>=7 and n+w<=17} or L
        out.append((cc,mask(K),mask(by[cc][1])))
    return out
def regions():
    out=[]
    for t in sorted(terrs,key=lambda t:t.id):
        if not t.id.isalpha(): continue
        L=set();P=set()
        for ty,p,l,ex in t.types: L|=l; P|=prefixes(p,2)
        L=clip(t)
        trunk=t.np
        bare = t.np in ('','1') or any('$NP' not in r for *_,r in t.formats)
        if t.cc=='1': L={10}
        out.append((t.id,int(t.cc),trunk,bare,mask(L),sum(1<<int(x) for x in P)))
    return out
main={}
for t in terrs:
    if t.formats and (t.cc not in main or t.main): main[t.cc]=t
def formatted(t,n,intl):
    return fmt(t,n,intl) or fmt(main.get(t.cc,t),n,intl)
def samples(seed,per):
    rng=random.Random(seed); rows=[]
    for t in sorted(terrs,key=lambda t:t.id):
        if not t.types or not t.general: continue
        seen=set()
        for k in range(per*4):
            if len(seen)>=per: break
            ty,p,l,ex=rng.choice([x for x in t.types if x[0] in('fixedLine','mobile')]*3+t.types)
            n=gen(p,rng)
            if len(n) not in l or not re.fullmatch(t.general,n) or n in seen: continue
            seen.add(n)
            f=formatted(t,n,True) or n
            rows.append((t.id,'+'+t.cc+n,'+'+t.cc+' '+f,formatted(t,n,False) or ''))
    return rows

HEAD = """//! Numbering plans, from the metadata of libphonenumber {version}. Written by `scripts/phone-plans.py`.
//!
//! Lengths are sets: bit n for numbers of n digits, country code and trunk prefix aside. Beginnings are sets too: of the first
//! digit for countries, bit n for n; of the first two for regions.

/// Country codes, in order: the code, its numbers' lengths, their first digits.
#[rustfmt::skip] // A table.
pub(super) const COUNTRIES: &[(u16, u32, u16)] = &[
"""
MIDDLE = """];

/// A region: its two letters, its country code, its trunk prefix, whether numbers are written without that too,
/// their lengths, their first two digits.
pub(super) type Plan = ([u8; 2], u16, &'static [u8], bool, u32, u128);

/// Regions, in order.
#[rustfmt::skip] // A table.
pub(super) const REGIONS: &[Plan] = &[
"""


def rust():
    out = HEAD.format(version=VERSION)
    line = "   "
    for code, lengths, first in calling():
        cell = f" ({code}, 0x{lengths:x}, 0x{first:x}),"
        if len(line) + len(cell) > 120:
            out += line + "\n"
            line = "   "
        line += cell
    out += line + "\n" + MIDDLE
    for name, code, trunk, bare, lengths, first in regions():
        digits = ", ".join(trunk)
        out += f'    (*b"{name}", {code}, &[{digits}], {str(bare).lower()}, 0x{lengths:x}, 0x{first:x}),\n'
    return out + "];\n"


if __name__ == "__main__":
    with open("src/policy/region/plans.rs", "w") as file:
        file.write(rust())
    with open("tests/detectors/phones.tsv", "w") as file:
        file.write(f"# Valid numbers by the metadata of libphonenumber {VERSION}: region, E.164, international, national spelling.\n")
        for row in samples(1, 20):
            file.write("\t".join(row) + "\n")

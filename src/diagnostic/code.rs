//! [`Code`]: the stable names of diagnostics. Codes are API: one is never reused for another meaning.

use std::fmt;

use super::Severity;

macro_rules! codes {
    ($($severity:ident { $($number:literal $name:ident $what:literal,)* })*) => {
        /// What kind a diagnostic is of: `FG` and three digits.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u16)]
        #[non_exhaustive]
        pub enum Code {
            $($(#[doc = $what] $name = $number,)*)*
        }

        impl Code {
            /// All of them, by number within each severity.
            pub const ALL: &'static [Self] = &[$($(Self::$name,)*)*];

            /// How much a diagnostic of that code weighs.
            #[must_use]
            pub fn severity(self) -> Severity {
                match self {
                    $($(Self::$name => Severity::$severity,)*)*
                }
            }
        }
    };
}

codes! {
    Error {
        1 Unreadable "A file cannot be read.",
        2 Syntax "The text is not YAML, not JSON, or not a `Struct`.",
        3 YamlFeature "An anchor, alias, merge key, tag or second document (rule 2).",
        4 DuplicateKey "The same thing twice (rules 1 and 2).",
        5 UnknownKey "A key that the language does not have (rule 2).",
        6 MissingKey "A key that has to be there.",
        7 WrongKind "A list where a map is expected, or the like.",
        8 NotAString "A value that is not a string to every YAML reader (rule 2).",
        9 UnknownLanguage "An unknown `language` (rule 2).",
        10 Include "An `include` that cannot be followed (rule 1).",
        12 UnknownClass "A class that does not exist.",
        13 UnknownName "A shape, scope, route or area that does not exist.",
        14 PathProfile "A field path that is JSONPath but not of the profile (rule 11).",
        15 PathSyntax "A text that is not a field path (rule 11).",
        16 BadValue "A word or number that means nothing in its place.",
        17 BadName "A name that cannot be one.",
        18 ShapeRecursion "A shape that holds itself (rule 10).",
        19 TooMuch "More than a policy may hold.",
        20 RoutePath "A `match` that no request can meet as meant (rules 3 and 4).",
        21 RouteConflict "Two routes that match the same requests (rule 4).",
        22 NamesNothing "A path that names no classified place (rule 13).",
        23 Incompatible "Two things that exclude each other.",
        24 AnyClient "`clients` without `\"*\"` (rule 9).",
        25 Header "A header that cannot be named there (rule 31).",
        26 BadPattern "A detector's pattern that cannot be searched for (rule 27).",
    }
    Warning {
        31 FallsToBlank "A level whose form a field does not have (rule 18).",
        32 UnguardedNotEqual "`!=` without an existence test (rule 11).",
        33 UnmatchedPass "`unmatched_route: pass` (rule 5).",
        34 QueryAny "`query: any` (rule 6).",
        35 QueryName "A query parameter that may select, rename or reveal fields (rule 6).",
        36 OtherContentPass "`other_content` that passes (rule 30).",
        37 TrustedHeader "Identity from a header (rule 7).",
        38 Unused "A class, detector, shape, scope or area that nothing uses.",
        39 ComplementaryMasks "Two masks that together show more than each (threat D4).",
        41 DynamicNames "Member names that come from data (threat C8).",
        42 FormConflict "Entries for one place that disagree on a form (rule 13).",
        43 RevealingHeader "A header that tells what the body withholds (rule 31).",
        44 LiteralLooksLikeParameter "A literal path segment that looks like a parameter.",
        45 NobodySees "A route of which nobody sees anything (rule 33).",
        46 NoEffect "Something written that changes nothing.",
        47 NotInApi "A route or field that the API's description does not have.",
        48 LongReport "A route that only reports for more than 90 days to come (rule 38).",
        155 SlowPattern "A detector's pattern that a text can make slow (rule 27).",
        156 MaskShowsMost "A mask that leaves most of a value (rules 20 and 22).",
        157 LinkBesidePseudonym "A link at show beside the pseudonym of what it names (rule 23).",
        158 LooseBudget "A budget that binds nobody, or leaves out a route with what it counts (rule 34).",
    }
    Note {
        50 OpenSubtree "`..*`: everything below, future members included (rule 12).",
        51 PassRoute "A route that is forwarded untouched (rule 5).",
        52 PublicScope "A scope that is active for everybody (rule 8).",
        53 UnnamedField "Fields of the API's description that no shape names (rule 14).",
        54 UnroutedOperation "Operations of the API's description that no route is for (rule 5).",
        55 ReportOnly "A route that only reports until a day (rule 38).",
        162 UncountedList "A list beside the one that a budget counts (rule 34).",
    }
    Error {
        60 NotDeployment "A file without any configuration that Envoy, Istio or Envoy Gateway reads.",
        61 PluginMissing "A way to an upstream without the plugin (threat A4).",
        62 PluginDisabled "The plugin does not run for every request (threat A4).",
        63 FailOpen "A plugin that fails open (threat A1).",
        64 FilterOrder "A filter on the wrong side of the plugin (threats A4, B7, D2).",
        65 PassesNoFilter "Bytes to the client that no filter sees (threats A8, A10).",
        66 HeadNotHeld "A policy that holds the head on a host that does not let it (rule 40).",
        67 SmallBuffer "A buffer that is smaller than what the plugin holds back (rule 40).",
        68 NoIdleTimeout "Streams that never end by themselves (threat A11).",
        69 PseudonymKey "The key of pseudonyms in the configuration, or not handed on (rule 23, threat G1).",
        70 UnverifiedIdentity "An identity that nobody verified (threat D2).",
    }
    Warning {
        75 PathAltered "A path that is not forwarded as it was matched (rule 3, threat D1).",
        76 NoGate "Nothing refuses a request that the plugin has not seen (threat A4).",
        77 FilterBefore "A filter before the plugin that can answer for itself (threat A4).",
        78 LooseIdentity "An identity that is not what the policy takes it to be (rule 7).",
        79 UnseenTraffic "Traffic that the plugin does not see (threat A4).",
    }
    Error {
        140 PassedType "A type of content that may not pass unfiltered (rule 30).",
        141 ContentType "A name under which a body of JSON cannot go out (rule 30).",
        142 Echo "A request header that cannot come back on the answer (rule 31).",
        144 UnreadFile "A file among policies that is none and is in none.",
        163 SameName "Two policies of one directory that have one name.",
    }
    Warning {
        143 RevealingError "A part of an upstream's error that may tell what a caller may not see (rule 29).",
        145 LengthMember "A member of a filter that is called like a function (rule 11).",
        146 RowsBelowElements "A row condition on what is in the elements, not on the elements (rule 26).",
    }
    Note {
        85 FailClosed "A plugin that does not come back after a failure (threat A1).",
        86 DefaultIdleTimeout "The idle timeout is Envoy's default (threat A11).",
        87 NoTokenNeeded "Requests without a token reach the plugin (rule 7).",
        88 UnusedFlag "A host that lets the head be held, and a policy that does not (rule 40).",
        89 Elsewhere "Configuration that is needed to judge, and is somewhere else.",
        115 AnyClientMore "`\"*\"` gives more than some entry of a client (rule 9).",
        117 RowsMember "A member that only a row condition names (rule 26).",
        118 NotCompared "Fields at places of which the API's description says nothing.",
    }
    Warning {
        119 MaskNeverFits "A form at mask that no value of the API's description has (rules 21, 22).",
    }
    Warning {
        90 MarkInRoute "A route that asks for the plugin's mark, and so is not there for filters before the plugin.",
    }
    Error {
        91 TwoSpellings "One field of a message in both spellings: the last counts.",
        97 AnotherPolicy "A deployment that runs another policy than the one that is reviewed.",
        102 RateLimitCluster "A rate limit service that cannot be asked (rule 36).",
        159 NotDigest "A digest of the plugin's code that no code has.",
        161 NotInForce "A resource that is there, and that the gateway does not have in force.",
    }
    Warning {
        92 UnknownField "A field, or an extension, that is not known here.",
        93 FilterBehind "A filter behind the plugin that can change what is asked for (rule 3).",
        94 RequestChanged "A request that is changed after the policy has matched it (rules 3, 32).",
        95 Unfiltered "Something that keeps or prints what the plugin has not filtered.",
        96 ExposedAdmin "An admin interface that others than this machine reach.",
        98 OldEnvoy "An Envoy that is older than the oldest that is supported.",
        100 SharedCounts "Budgets whose counts other plugins can write (rule 36).",
        101 UpstreamProtocol "A cluster whose metadata says of its protocol what is not so (rule 40).",
        103 NoRecord "An access log without the decision records.",
        104 LostMetric "A metric that the shipped alerts and dashboard do not find.",
        105 MissingFile "A rendered file that is missing among the others of its set.",
    }
    Note {
        99 NotedField "A setting that does not open anything, and that a reviewer wants to know.",
        160 Unpinned "Code that is fetched without a digest.",
    }
    Error {
        120 UncountedRoute "A route from which a budget cannot know how much leaves (rule 34a).",
        121 BudgetSteps "A step that no share reaches, or that gives back (rule 35).",
        122 BudgetStore "A store that cannot count a budget (rule 36).",
        123 PathSubject "A subject that a route's path does not name, or its body names too (rule 34).",
        124 CanaryTag "A text that is not the tag of a canary (rule 37).",
    }
    Warning {
        130 SmallBudget "A budget that a few lists fill (rule 34a).",
        131 LocalWindow "A long window that a restart empties (rule 36).",
    }
    Note {
        135 UncountedCost "A class whose cost no budget counts (rule 34).",
    }
}

impl Code {
    /// Numbers of codes that are gone: 11, a part of the language that a version did not have; 116, free text that errors show,
    /// which [`Self::RevealingError`] tells better.
    pub const RETIRED: [u16; 2] = [11, 116];

    /// The number behind `FG`.
    #[must_use]
    #[expect(clippy::as_conversions, reason = "the discriminant is declared as u16")]
    pub fn number(self) -> u16 {
        self as u16
    }

    /// The code of that spelling, `FG012`, in either case.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.to_string().eq_ignore_ascii_case(text))
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FG{:03}", self.number())
    }
}
